//! What every refusal has in common: a problem that tells nothing, and an upstream that saw nothing.

use super::http::{Answer, Call};
use super::sidecar::Sidecar;

impl Sidecar {
    /// Sends a request that must be refused with `status`, and not one byte of which may go upstream.
    pub(crate) fn refuses(&self, call: &Call, status: u16) -> Answer {
        let before = self.upstream.bytes();
        let answer = self.send(call);
        assert_problem(&answer, status, &format!("{} {}", call.method, call.target));
        let after = self.upstream.bytes();
        assert_eq!(after, before, "{} {}: the upstream saw bytes", call.method, call.target);
        answer
    }

    /// The same for a credential: 401, counted as `kind`, `scheme` and `reason`.
    pub(crate) fn refuses_as(&self, call: &Call, kind: &str, scheme: &str, reason: &str) -> Answer {
        self.refuses_with(call, 401, kind, scheme, reason)
    }

    /// The same with another status.
    pub(crate) fn refuses_with(
        &self,
        call: &Call,
        status: u16,
        kind: &str,
        scheme: &str,
        reason: &str,
    ) -> Answer {
        let before = self.verifications();
        let answer = self.refuses(call, status);
        let label = format!("kind=\"{kind}\",scheme=\"{scheme}\",reason=\"{reason}\"");
        let changed: Vec<String> =
            self.verifications().into_iter().filter(|line| !before.contains(line)).collect();
        let what = format!("{} {}", call.method, call.target);
        assert_eq!(changed.len(), 1, "{what}: counted as {changed:?}, not as {label}");
        assert!(changed[0].contains(&label), "{what}: counted as {changed:?}, not as {label}");
        answer
    }

    /// Sends a request that must reach the application, once, and gives what it saw.
    pub(crate) fn passes(&self, call: &Call) -> super::upstream::Seen {
        self.upstream.take();
        let answer = self.send(call);
        assert_eq!(answer.status, 200, "{} {}: {}", call.method, call.target, answer.text());
        self.upstream.only()
    }

    /// The lines of `/metrics` that begin with this.
    pub(crate) fn metrics(&self, prefix: &str) -> Vec<String> {
        let text = self.ops("/metrics").text();
        text.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
    }

    fn verifications(&self) -> Vec<String> {
        self.metrics("countersign_verifications_total{")
    }
}

/// A problem of this status (RFC 9457), the headers that belong to it, and nothing that tells a cause.
pub(crate) fn assert_problem(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    let problem = answer.json();
    let mut members: Vec<&str> = problem.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["detail", "instance", "status", "title", "type"], "{what}");
    assert_eq!(problem["status"], status, "{what}");
    let id = answer.header("countersign-request-id").unwrap_or_else(|| panic!("{what}: no request id"));
    assert_eq!(problem["instance"], format!("urn:uuid:{id}"), "{what}");
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 7, "{what}");
    let challenge = (status == 401).then_some("Countersign realm=\"countersign\"");
    assert_eq!(answer.header("www-authenticate"), challenge, "{what}");
    assert_eq!(answer.header("retry-after").is_some(), status == 503, "{what}");
    assert_eq!(answer.header("allow").is_some(), status == 405, "{what}");
}

/// The body without the one thing in it that may differ.
pub(crate) fn without_id(answer: &Answer) -> String {
    answer.text().replace(answer.header("countersign-request-id").unwrap(), "")
}
