//! The window that a kind's parameters may set. Pure.
//!
//! Not a clock. Invariant: a window is 1 second to 1 day.

use crate::verify::scheme::SchemeFault;

const LONGEST: u32 = 86_400;

/// The window where none is given, in seconds.
pub(super) fn standard() -> u32 {
    300
}

/// The fault of a window that is out of bounds.
pub(super) fn faults(seconds: u32) -> Vec<SchemeFault> {
    if (1..=LONGEST).contains(&seconds) {
        return Vec::new();
    }
    vec![SchemeFault::new("params.tolerance", format!("must be 1 to {LONGEST} seconds"))]
}

#[cfg(test)]
mod tests {
    use super::faults;

    #[test]
    fn a_window_has_bounds() {
        assert!(faults(1).is_empty() && faults(86_400).is_empty());
        assert!(!faults(0).is_empty() && !faults(86_401).is_empty());
    }
}
