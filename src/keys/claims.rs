//! What no two records may share: names, and the digests of what lets somebody in.
//!
//! Not the store's index of them. A name is claimed in the form in which two names are the same, whatever their case and
//! their Unicode form; what is shown is NFC as its admin wrote it. Names of tenants and admins are read by people, who take
//! `Acme`, `ACME` and `ＡＣＭＥ` for one. Spec: Unicode TR 15 (NFKC); case by the full mappings of both directions, which
//! take `ß` and `SS` for one as well.

use unicode_normalization::UnicodeNormalization;

use super::record::Record;

impl Record {
    /// The values that no two records may share, as the store's unique index holds them.
    #[must_use]
    pub fn claims(&self) -> Vec<String> {
        match self {
            Self::Workspace(record) => vec![format!("workspace-name/{}", folded(&record.name))],
            Self::Integration(record) => vec![format!("integration-name/{}", record.name)],
            Self::Admin(record) => vec![
                format!("admin-name/{}", folded(&record.name)),
                format!("admin-token/{}", data_encoding::HEXLOWER.encode(&record.token.0)),
            ],
            Self::WebhookKey(record) => {
                let previous = record.previous.as_ref().and_then(|previous| previous.api_key);
                std::iter::once(record.api_key)
                    .chain(previous)
                    .map(|digest| format!("api-key/{}", data_encoding::HEXLOWER.encode(&digest.0)))
                    .collect()
            }
        }
    }
}

/// The form in which two names are the same.
fn folded(name: &str) -> String {
    let upper: String = name.nfkc().flat_map(char::to_uppercase).collect();
    upper.chars().flat_map(char::to_lowercase).nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn case_and_unicode_form_make_no_other_name() {
        for same in [
            ["Acme", "aCME"],
            ["é", "e\u{301}"],
            ["É", "e\u{301}"],
            ["ＡＣＭＥ", "acme"],
            ["Straße", "STRASSE"],
            ["ΟΔΟΣ", "οδος"],
            ["ﬁn", "FIN"],
        ] {
            assert_eq!(folded(same[0]), folded(same[1]));
        }
        assert_ne!(folded("acme"), folded("acme 2"));
        assert_ne!(folded("e"), folded("é"));
    }
}
