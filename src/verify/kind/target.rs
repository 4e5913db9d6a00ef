//! Path and query of a request target. Pure.
//!
//! Not a normaliser: both are as they arrived. Spec: RFC 9112 §3.2.1.

/// The path of a target in origin-form.
pub(super) fn path(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// Its query without the `?`, where it has one.
pub(super) fn query(target: &str) -> Option<&str> {
    target.split_once('?').map(|(_, query)| query)
}

#[cfg(test)]
mod tests {
    use super::{path, query};

    #[test]
    fn a_target_has_a_path_and_perhaps_a_query() {
        assert_eq!((path("/a?b?c"), query("/a?b?c")), ("/a", Some("b?c")));
        assert_eq!((path("/a"), query("/a")), ("/a", None));
        assert_eq!(query("/a?"), Some(""));
    }
}
