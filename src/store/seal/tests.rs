//! What seals, envelopes and key files refuse.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;
use uuid::Uuid;

use super::{EnvelopeError, Keyring, KeyringError, SealError, SealPlace, random};
use crate::keys::record::{Kind, RecordKey, Sealed};
use crate::secret::Secret;
use crate::store::AuditMac;
use crate::store::answered::AnswerId;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const KEY: RecordKey = RecordKey { kind: Kind::WebhookKey, id: Uuid::from_u128(7) };
const PLACE: SealPlace<'_> = SealPlace { namespace: "ns", key: KEY, field: "secret", version: 1 };

fn write(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(name), text).unwrap();
    fs::set_permissions(dir.join(name), Permissions::from_mode(0o600)).unwrap();
}

fn ring(keys: &[(&str, &str)], seal_with: &str) -> Keyring {
    let dir = TempDir::new().unwrap();
    for (id, text) in keys {
        write(dir.path(), &format!("{id}.key"), text);
    }
    Keyring::load(dir.path(), Some(seal_with)).unwrap()
}

fn sealed(ring: &Keyring) -> Sealed {
    ring.seal(&PLACE, &Secret::from_text("the secret")).unwrap()
}

#[test]
fn s03_a_secret_opens_where_it_was_sealed_and_nowhere_else() {
    let ring = ring(&[("a", A)], "a");
    let sealed = sealed(&ring);
    assert!(ring.open(&PLACE, &sealed).unwrap().ct_eq(b"the secret"));
    let elsewhere = [
        SealPlace { namespace: "other", ..PLACE },
        SealPlace { key: RecordKey { kind: Kind::Integration, ..KEY }, ..PLACE },
        SealPlace { key: RecordKey { id: Uuid::from_u128(8), ..KEY }, ..PLACE },
        SealPlace { field: "previous", ..PLACE },
        SealPlace { version: 2, ..PLACE },
    ];
    for place in elsewhere {
        let mut sealed = sealed.clone();
        sealed.version = place.version;
        assert_eq!(ring.open(&place, &sealed).unwrap_err(), SealError::Refused, "{place:?}");
    }
}

#[test]
fn a_kept_answer_opens_under_its_own_id_and_nowhere_else() {
    let (id, answer) = (AnswerId([7; 32]), Secret::from_text("an answer with a secret"));
    let both = ring(&[("a", A), ("b", B)], "a");
    let sealed = both.seal_answer("ns", &id, &answer).unwrap();
    assert!(both.open_answer("ns", &id, &sealed).unwrap().ct_eq(answer.expose()));
    // Whichever KEK seals by now.
    assert!(ring(&[("a", A), ("b", B)], "b").open_answer("ns", &id, &sealed).is_ok());
    let refused = |found: Result<Secret, SealError>| found.unwrap_err();
    assert_eq!(refused(both.open_answer("ns", &AnswerId([8; 32]), &sealed)), SealError::Refused);
    assert_eq!(refused(both.open_answer("other", &id, &sealed)), SealError::Refused);
    let claimed = [b"b".as_slice(), &sealed[1..]].concat();
    assert_eq!(refused(both.open_answer("ns", &id, &claimed)), SealError::Refused);
    let mut altered = sealed.clone();
    *altered.last_mut().unwrap() ^= 1;
    assert_eq!(refused(both.open_answer("ns", &id, &altered)), SealError::Refused);
    assert_eq!(
        refused(ring(&[("b", B)], "b").open_answer("ns", &id, &sealed)),
        SealError::UnknownKek("a".to_owned())
    );
    for damaged in [&b""[..], b"a", b"a\n", b"a\nshort"] {
        assert_eq!(refused(both.open_answer("ns", &id, damaged)), SealError::Malformed, "{damaged:?}");
    }
}

#[test]
fn a_sealed_secret_that_claims_another_version_is_refused() {
    let ring = ring(&[("a", A)], "a");
    let claimed = Sealed { version: 2, ..sealed(&ring) };
    assert_eq!(ring.open(&PLACE, &claimed).unwrap_err(), SealError::Refused);
}

#[test]
fn a_secret_sealed_under_another_key_is_refused_or_named() {
    let from_a = sealed(&ring(&[("a", A)], "a"));
    let same_id = ring(&[("a", B)], "a");
    assert_eq!(same_id.open(&PLACE, &from_a).unwrap_err(), SealError::Refused);
    let renamed = ring(&[("b", A)], "b");
    assert_eq!(renamed.open(&PLACE, &from_a).unwrap_err(), SealError::UnknownKek("a".to_owned()));
    let relabelled = Sealed { kek: "b".to_owned(), ..from_a };
    assert_eq!(renamed.open(&PLACE, &relabelled).unwrap_err(), SealError::Refused);
}

#[test]
fn every_kek_opens_and_the_chosen_one_seals() {
    let old = sealed(&ring(&[("a", A)], "a"));
    let both = ring(&[("a", A), ("b", B)], "b");
    assert!(both.open(&PLACE, &old).unwrap().ct_eq(b"the secret"));
    assert_eq!(sealed(&both).kek, "b");
    assert_eq!(both.ids().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(both.seal_with(), "b");
}

#[test]
fn s03_any_flipped_bit_of_a_sealed_secret_is_refused() {
    let ring = ring(&[("a", A)], "a");
    let sealed = sealed(&ring);
    let bytes = data_encoding::BASE64.decode(sealed.data.as_bytes()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let flipped = Sealed { data: data_encoding::BASE64.encode(&bytes), ..sealed.clone() };
        assert_eq!(ring.open(&PLACE, &flipped).unwrap_err(), SealError::Refused);
    }
    for short in ["", "AAAA", "not base64!"] {
        let short = Sealed { data: short.to_owned(), ..sealed.clone() };
        assert_eq!(ring.open(&PLACE, &short).unwrap_err(), SealError::Malformed);
    }
}

/// As many as COUNTERSIGN_TEST_SEALS says, 20,000 unless set.
#[test]
fn s05_no_nonce_is_used_twice() {
    let set = std::env::var_os("COUNTERSIGN_TEST_SEALS");
    let count: usize = set.map_or(20_000, |count| count.to_str().unwrap().parse().unwrap());
    let ring = ring(&[("a", A)], "a");
    // Of 16 base64 digits: the 12 bytes before the secret.
    let nonce = |_| sealed(&ring).data.as_bytes().first_chunk::<16>().copied().unwrap();
    let mut nonces: Vec<[u8; 16]> = (0..count).map(nonce).collect();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), count);
}

#[test]
fn an_empty_secret_is_not_sealed() {
    let ring = ring(&[("a", A)], "a");
    assert_eq!(ring.seal(&PLACE, &Secret::from_text("")).unwrap_err(), SealError::Empty);
}

#[test]
fn an_envelope_gives_its_payload_only_in_its_place() {
    let ring = ring(&[("a", A)], "a");
    let envelope = ring.wrap("ns", &KEY, b"{\"revision\":1}");
    assert!(envelope.starts_with(b"v1.a."));
    assert_eq!(ring.unwrap("ns", &KEY, &envelope).unwrap(), b"{\"revision\":1}");
    assert_eq!(ring.unwrap("other", &KEY, &envelope), Err(EnvelopeError::BadMac));
    let other_kind = RecordKey { kind: Kind::Integration, ..KEY };
    assert_eq!(ring.unwrap("ns", &other_kind, &envelope), Err(EnvelopeError::BadMac));
    let other_id = RecordKey { id: Uuid::from_u128(8), ..KEY };
    assert_eq!(ring.unwrap("ns", &other_id, &envelope), Err(EnvelopeError::BadMac));
}

#[test]
fn any_flipped_bit_of_an_envelope_is_refused() {
    let ring = ring(&[("a", A), ("b", B)], "a");
    let envelope = ring.wrap("ns", &KEY, b"{\"revision\":1,\"name\":\"n\"}");
    for bit in 0..envelope.len() * 8 {
        let mut flipped = envelope.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(ring.unwrap("ns", &KEY, &flipped).is_err(), "bit {bit}");
    }
}

#[test]
fn an_envelope_under_a_missing_kek_names_it() {
    let envelope = ring(&[("a", A)], "a").wrap("ns", &KEY, b"{}");
    let without = ring(&[("b", B)], "b");
    assert_eq!(without.unwrap("ns", &KEY, &envelope), Err(EnvelopeError::UnknownKek("a".to_owned())));
    let same_id = ring(&[("a", B)], "a");
    assert_eq!(same_id.unwrap("ns", &KEY, &envelope), Err(EnvelopeError::BadMac));
}

#[test]
fn what_is_no_envelope_is_malformed() {
    let ring = ring(&[("a", A)], "a");
    let mac = "0".repeat(64);
    let forms = [
        String::new(),
        "\n".to_owned(),
        "{}".to_owned(),
        format!("v1.a.{mac}"),
        format!("v2.a.{mac}\n{{}}"),
        format!("v1.A.{mac}\n{{}}"),
        format!("v1..{mac}\n{{}}"),
        format!("v1.a.{}\n{{}}", &mac[2..]),
        format!("v1.a.{}\n{{}}", "A".repeat(64)),
        format!("v1.a.{mac}.x\n{{}}"),
    ];
    for form in forms {
        assert_eq!(ring.unwrap("ns", &KEY, form.as_bytes()), Err(EnvelopeError::Malformed), "{form:?}");
    }
}

#[test]
fn a_damaged_envelope_still_shows_its_payload_unverified() {
    assert_eq!(Keyring::payload_unverified(b"garbage\n{\"a\":1}"), Some(&b"{\"a\":1}"[..]));
    assert_eq!(Keyring::payload_unverified(b"garbage"), None);
}

#[test]
fn each_audit_mac_depends_on_the_one_before_the_event_and_the_kek() {
    let ring = ring(&[("a", A), ("b", B)], "a");
    let first = ring.audit_mac(&AuditMac::default(), b"one");
    assert_eq!(Some(first), ring.audit_mac_with("a", &AuditMac::default(), b"one"));
    assert_ne!(Some(first), ring.audit_mac_with("b", &AuditMac::default(), b"one"));
    assert_ne!(first, ring.audit_mac(&AuditMac::default(), b"two"));
    assert_ne!(ring.audit_mac(&first, b"two"), ring.audit_mac(&AuditMac::default(), b"two"));
    assert_eq!(ring.audit_mac_with("c", &first, b"two"), None);
}

#[test]
fn a_created_key_loads_and_is_never_overwritten() {
    let dir = TempDir::new().unwrap();
    let keks = dir.path().join("keks");
    let path = Keyring::create(&keks, "default").unwrap();
    assert_eq!(path, keks.join("default.key"));
    assert_eq!(fs::metadata(&keks).unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let before = fs::read(&path).unwrap();
    assert_eq!(before.len(), 65);
    assert!(matches!(Keyring::create(&keks, "default"), Err(KeyringError::Exists { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(Keyring::load(&keks, None).unwrap().seal_with(), "default");
    for id in ["", "Default", "a/b", "../a", "a.b", &"a".repeat(33)] {
        assert!(matches!(Keyring::create(&keks, id), Err(KeyringError::Name { .. })), "{id}");
    }
}

#[test]
fn any_permission_for_others_is_refused_by_name() {
    for mode in [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o440] {
        let dir = TempDir::new().unwrap();
        write(dir.path(), "a.key", A);
        fs::set_permissions(dir.path().join("a.key"), Permissions::from_mode(mode)).unwrap();
        let fault = Keyring::load(dir.path(), None).unwrap_err();
        assert!(matches!(fault, KeyringError::Permissions { .. }));
        assert!(fault.to_string().contains("a.key"), "{fault}");
    }
}

#[test]
fn a_malformed_key_file_is_named_and_not_quoted() {
    let texts =
        ["", "\n", &A[1..], &format!("{A}a"), &format!("{A}\n\n"), &format!("{A}\r\n"), &"g".repeat(64)];
    for text in texts {
        let dir = TempDir::new().unwrap();
        write(dir.path(), "good.key", A);
        write(dir.path(), "bad.key", text);
        let fault = Keyring::load(dir.path(), Some("good")).unwrap_err();
        assert!(matches!(fault, KeyringError::Malformed { .. }), "{text:?}");
        let shown = format!("{fault} {fault:?}");
        assert!(shown.contains("bad.key") && !shown.contains("aaaa") && !shown.contains("gggg"), "{shown}");
    }
}

#[test]
fn hex_in_upper_case_and_a_final_line_feed_are_the_same_key() {
    let envelope = ring(&[("a", A)], "a").wrap("ns", &KEY, b"{}");
    let upper = ring(&[("a", &format!("{}\n", A.to_uppercase()))], "a");
    assert!(upper.unwrap("ns", &KEY, &envelope).is_ok());
}

#[test]
fn what_is_not_a_key_file_is_refused_or_passed_over() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "a.key", A);
    write(dir.path(), "README", "not a key");
    assert!(Keyring::load(dir.path(), None).is_ok());
    fs::create_dir(dir.path().join("d.key")).unwrap();
    assert!(matches!(Keyring::load(dir.path(), None), Err(KeyringError::NotAFile { .. })));
    fs::remove_dir(dir.path().join("d.key")).unwrap();
    write(dir.path(), "Bad_Name.key", B);
    assert!(matches!(Keyring::load(dir.path(), None), Err(KeyringError::Name { .. })));
}

#[test]
fn a_link_to_a_key_file_is_followed() {
    let dir = TempDir::new().unwrap();
    write(dir.path(), "content", A);
    std::os::unix::fs::symlink("content", dir.path().join("a.key")).unwrap();
    assert_eq!(Keyring::load(dir.path(), None).unwrap().seal_with(), "a");
}

#[test]
fn the_key_that_seals_must_be_clear() {
    let dir = TempDir::new().unwrap();
    assert!(matches!(Keyring::load(dir.path(), None), Err(KeyringError::Empty { .. })));
    assert!(matches!(Keyring::load(dir.path(), Some("a")), Err(KeyringError::Empty { .. })));
    let missing = Keyring::load(&dir.path().join("none"), None);
    assert!(matches!(missing, Err(KeyringError::Directory { .. })));
    write(dir.path(), "a.key", A);
    write(dir.path(), "b.key", B);
    let several = Keyring::load(dir.path(), None).unwrap_err();
    assert!(several.to_string().contains("a, b"), "{several}");
    let unknown = Keyring::load(dir.path(), Some("c")).unwrap_err().to_string();
    assert!(unknown.contains("\"c\"") && unknown.contains("a, b"), "{unknown}");
}

#[test]
fn a_keyring_prints_ids_and_no_keys() {
    let ring = ring(&[("a1", A), ("b1", B)], "b1");
    assert_eq!(format!("{ring:?}"), "Keyring(a1, b1; seals with b1)");
    assert_eq!(format!("{:?}", sealed(&ring)), "Sealed(kek b1, version 1)");
}

#[test]
fn random_bytes_differ_from_call_to_call() {
    assert_ne!(random::<32>().unwrap(), random::<32>().unwrap());
}

/// Computed apart from this code, from what `kek.rs` and `framing.rs` document.
#[test]
fn what_was_stored_by_an_earlier_version_still_verifies() {
    let ring = ring(&[("a", A)], "a");
    let envelope = b"v1.a.b3f69e7048fd44655bcb09abe62b7a594029eeb409a9c00d03acfa7fea821c31\n{}";
    assert_eq!(ring.unwrap("ns", &KEY, envelope).unwrap(), b"{}");
    assert_eq!(ring.wrap("ns", &KEY, b"{}"), envelope);
    let mac = data_encoding::HEXLOWER.encode(&ring.audit_mac(&AuditMac::default(), b"one").0);
    assert_eq!(mac, "d5c10f40283233ff0a3f601c57ec2fadd49d40afdd9154cada8bcb60a631d5c0");
    let sealed = Sealed {
        kek: "a".to_owned(),
        version: 1,
        data: "AAECAwQFBgcICQoLyhbAf6IGOOnG8gakHpw+CUeI00MXwHYQp2M=".to_owned(),
    };
    assert!(ring.open(&PLACE, &sealed).unwrap().ct_eq(b"the secret"));
}
