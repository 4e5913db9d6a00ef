//! The target rule: a signature that covers neither URL nor target opens one kind of request only.
//!
//! Without it, one captured signature over an empty body would open every GET of the application. It is the
//! proxy's rule, not a scheme's: judging a captured request offline does not apply it.

use http::Method;

use crate::verify::{Authentic, Verification};

/// Why the rule refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// The signature does not bind the target, and the method is not POST, PUT or PATCH.
    #[error("a signature that does not cover the target needs POST, PUT or PATCH")]
    Method,
    /// The signature does not bind the target, and the body is empty.
    #[error("a signature that does not cover the target needs a body")]
    BodyEmpty,
}

/// Before the body: drops what the method rules out.
///
/// # Errors
/// [`TargetFault::Method`] where nothing is left.
pub fn check_method(method: &Method, verification: &mut Verification) -> Result<(), TargetFault> {
    let carries_body = [Method::POST, Method::PUT, Method::PATCH].contains(method);
    if carries_body || verification.keep_target_bound() { Ok(()) } else { Err(TargetFault::Method) }
}

/// After the body: what verified must bind the target or a body that is there.
///
/// # Errors
/// [`TargetFault::BodyEmpty`].
pub fn check_body(authentic: &Authentic, length: u64) -> Result<(), TargetFault> {
    if length > 0 || authentic.binds_target() { Ok(()) } else { Err(TargetFault::BodyEmpty) }
}
