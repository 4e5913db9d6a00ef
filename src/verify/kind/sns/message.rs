//! A message of SNS: its fields, and the text that is signed. Pure.
//!
//! Not the whole body: what is in no signed field (white space, `UnsubscribeURL`, `MessageAttributes`) is not covered.
//! Invariants: a key twice is no message; only `Message` may have control characters, so that a signed text is that
//! of one message; a certificate's URL that is no page of SNS is a refusal, though nothing is fetched.
//! Spec: SNS Developer Guide, "Verifying the signatures of Amazon SNS messages", "Parsing message formats".

use http::Uri;
use serde_json::{Map, Value};

use crate::clock::UnixMillis;
use crate::verify::scheme::json;
use crate::verify::timestamp::Unit;

const NOTIFICATION: &[&str] = &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
const CONFIRMATION: &[&str] =
    &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// The hash that a message's signature is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// SHA-1, which SNS uses unless a topic says otherwise.
    One,
    /// SHA-256.
    Two,
}

/// A message whose form is right.
pub(super) struct Message(Map<String, Value>);

impl Message {
    /// Reads a body; `None` where it is no message of SNS.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let Value::Object(fields) = json(body)? else { return None };
        let message = Self(fields);
        match message.0.get("SigningCertURL") {
            None => Some(message),
            Some(Value::String(url)) if is_of_sns(url) => Some(message),
            Some(_) => None,
        }
    }

    /// The text of a field.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// When it was published.
    pub(super) fn time(&self) -> Option<UnixMillis> {
        Unit::Rfc3339.parse(self.text("Timestamp")?.as_bytes())
    }

    /// What its signature is made with.
    pub(super) fn version(&self) -> Option<Version> {
        match self.text("SignatureVersion")? {
            "1" => Some(Version::One),
            "2" => Some(Version::Two),
            _ => None,
        }
    }

    /// The text that is signed.
    pub(super) fn signed(&self) -> Option<String> {
        let names = match self.text("Type")? {
            "Notification" => NOTIFICATION,
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => CONFIRMATION,
            _ => return None,
        };
        let mut signed = String::new();
        for name in names {
            let value = match self.0.get(*name) {
                None | Some(Value::Null) if *name == "Subject" => continue,
                value => value?.as_str()?,
            };
            if *name != "Message" && value.contains(char::is_control) {
                return None;
            }
            signed.extend([name, "\n", value, "\n"]);
        }
        Some(signed)
    }
}

/// Whether a URL is of a certificate that SNS itself serves.
fn is_of_sns(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.authority().map_or("", http::uri::Authority::as_str);
    let region = host.strip_prefix("sns.").and_then(|rest| {
        rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn"))
    });
    let is_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    uri.scheme_str() == Some("https")
        && region.is_some_and(|region| !region.is_empty() && region.bytes().all(is_label))
        && uri.path().ends_with(".pem")
        && uri.query().is_none()
        && !url.contains('#')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Message, Version, is_of_sns};

    fn read(text: &str) -> Option<Message> {
        Message::read(text.as_bytes())
    }

    #[test]
    fn the_signed_fields_depend_on_the_type() {
        let fields =
            r#""Message":"a\nb","MessageId":"i","TopicArn":"t","Timestamp":"2022-07-28T21:23:58.317Z""#;
        let notification =
            read(&format!("{{{fields},\"Type\":\"Notification\",\"Subject\":\"s\"}}")).unwrap();
        let expected = "Message\na\nb\nMessageId\ni\nSubject\ns\nTimestamp\n2022-07-28T21:23:58.317Z\nTopicArn\nt\n\
            Type\nNotification\n";
        assert_eq!(notification.signed().as_deref(), Some(expected));
        for none in ["", ",\"Subject\":null"] {
            let without = read(&format!("{{{fields},\"Type\":\"Notification\"{none}}}")).unwrap();
            assert_eq!(without.signed(), Some(expected.replace("Subject\ns\n", "")));
        }
        for kind in ["SubscriptionConfirmation", "UnsubscribeConfirmation"] {
            let text = format!(
                "{{{fields},\"Type\":\"{kind}\",\"Token\":\"k\",\"SubscribeURL\":\"u\",\"Subject\":\"s\"}}"
            );
            let expected = format!(
                "Message\na\nb\nMessageId\ni\nSubscribeURL\nu\nTimestamp\n2022-07-28T21:23:58.317Z\nToken\nk\n\
                 TopicArn\nt\nType\n{kind}\n"
            );
            assert_eq!(read(&text).unwrap().signed(), Some(expected));
        }
        let missing = read(&format!("{{{fields},\"Type\":\"SubscriptionConfirmation\"}}")).unwrap();
        assert_eq!(missing.signed(), None);
        assert_eq!(read(&format!("{{{fields},\"Type\":\"Other\"}}")).unwrap().signed(), None);
        assert_eq!(read(&format!("{{{fields}}}")).unwrap().signed(), None);
    }

    #[test]
    fn no_signed_text_is_that_of_two_messages() {
        let with = |subject: &str| {
            let text = format!(
                r#"{{"Message":"m","MessageId":"i","TopicArn":"t","Timestamp":"x","Type":"Notification","Subject":{subject}}}"#
            );
            read(&text).unwrap().signed()
        };
        assert!(with(r#""s""#).is_some());
        for subject in [r#""s\nTimestamp\nx""#, r#""\r""#, "1", "[]", "true"] {
            assert_eq!(with(subject), None, "{subject}");
        }
        for text in [r#"{"Message":"a","Message":"b"}"#, "[]", "\"\"", "", "{"] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn versions_are_one_and_two() {
        let version = |value: &str| read(&format!("{{\"SignatureVersion\":{value}}}")).unwrap().version();
        assert_eq!((version("\"1\""), version("\"2\"")), (Some(Version::One), Some(Version::Two)));
        assert_eq!((version("\"3\""), version("1"), version("\"\"")), (None, None, None));
    }

    #[test]
    fn a_certificate_is_served_by_sns() {
        for url in [
            "https://sns.us-east-2.amazonaws.com/SimpleNotificationService-7ff5318490ec183fbaddaa2a969abfda.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-3250158c6506d40628c21ed8dad1d7af.pem",
        ] {
            assert!(is_of_sns(url), "{url}");
        }
        for url in [
            "http://sns.us-east-2.amazonaws.com/a.pem",
            "https://sns.us-east-2.amazonaws.com/a",
            "https://sns.us-east-2.amazonaws.com.evil.example/a.pem",
            "https://evil.example/sns.us-east-2.amazonaws.com/a.pem",
            "https://evil.example#sns.us-east-2.amazonaws.com/a.pem",
            "https://sns.us-east-2.amazonaws.com@evil.example/a.pem",
            "https://user@sns.us-east-2.amazonaws.com/a.pem",
            "https://sns.us-east-2.amazonaws.com:444/a.pem",
            "https://sns.a.b.amazonaws.com/a.pem",
            "https://sns..amazonaws.com/a.pem",
            "https://s3.us-east-2.amazonaws.com/a.pem",
            "https://sns.us-east-2.amazonaws.com/?a.pem",
            "",
        ] {
            assert!(!is_of_sns(url), "{url}");
            assert!(read(&format!("{{\"SigningCertURL\":\"{url}\"}}")).is_none(), "{url}");
        }
        assert!(read("{\"SigningCertURL\":null}").is_none());
        assert!(read("{}").is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), url in any::<String>()) {
            let _ = Message::read(&bytes);
            let _ = is_of_sns(&url);
        }
    }
}
