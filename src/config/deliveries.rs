//! `[deliveries]`: what is kept of attempts on integrations. Making and storing them is the work of `deliveries/`.

use super::reader::Section;
use super::units;

/// What is kept of attempts on integrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveriesConfig {
    /// Deliveries of one integration: so many verified ones, and as many others. Default 500; 0 to 10000; 0 = none.
    pub per_integration: u32,
}

pub(super) fn check(root: &mut Section<'_>) -> Option<DeliveriesConfig> {
    let mut section = root.section("deliveries");
    let per_integration = section.required("per_integration", units::number(0..=10_000));
    section.finish();
    Some(DeliveriesConfig { per_integration: per_integration? })
}
