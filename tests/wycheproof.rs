//! Every algorithm of the scheme language against the vectors of C2SP's Project Wycheproof: what is forged,
//! malformed, malleable or cut is refused, and what is right is not.
//!
//! And the cipher that seals secrets, as the library that we use has it. Catalogue: W39 (public keys), W40 (HMAC), S15
//! (AEAD). A tag that is cut is right in Wycheproof and never a signature here.

use ::wycheproof::TestResult;
use countersign::clock::UnixMillis;
use countersign::credential::Head;
use countersign::secret::Secret;
use countersign::verify::offline::{Captured, Terms, judge};
use countersign::verify::scheme::{CUSTOM, Scheme, SchemeSpec};
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderValue, Method};

/// Signatures over the body, in hexadecimal, in `X-Sig`.
struct Verifier(Scheme);

impl Verifier {
    fn new(algorithm: &str, decode: &str) -> Self {
        let text = format!(
            "signed = '{{body}}'\nalgorithm = '{algorithm}'\nencoding = 'hex'\n\
             [sig]\nheader = 'X-Sig'\n[secret]\ndecode = '{decode}'"
        );
        let spec: SchemeSpec = toml::from_str(&text).unwrap();
        Self(Scheme::compile(&spec, CUSTOM).unwrap())
    }

    fn holds(&self, key: &str, message: &[u8], signature: &[u8]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("x-sig", HeaderValue::from_str(&HEXLOWER.encode(signature)).unwrap());
        let secrets = [Secret::from_text(key)];
        let terms = Terms { scheme: &self.0, secrets: &secrets, now: UnixMillis(0), tolerance_seconds: None };
        let head = Head { method: &Method::POST, target: "/", headers: &headers, url: None };
        judge(&terms, &Captured { head, body: message }).is_ok()
    }

    /// Judges one test.
    fn judge(&self, what: &str, key: &str, message: &[u8], signature: &[u8], expected: TestResult) {
        let holds = self.holds(key, message, signature);
        match expected {
            TestResult::Valid => assert!(holds, "{what} is refused"),
            TestResult::Invalid => assert!(!holds, "{what} is let in"),
            TestResult::Acceptable => {}
        }
    }
}

#[test]
fn w39_ed25519() {
    use ::wycheproof::eddsa::{TestName, TestSet};
    let verifier = Verifier::new("ed25519", "pem");
    let raw = Verifier::new("ed25519", "hex");
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let mut judged = 0;
    for group in set.test_groups {
        for test in &group.tests {
            let what = format!("{}: {}", test.tc_id, test.comment);
            verifier.judge(&what, &group.pem, &test.msg, &test.sig, test.result);
            raw.judge(&what, &HEXLOWER.encode(&group.key.pk), &test.msg, &test.sig, test.result);
            judged += 1;
        }
    }
    assert!(judged >= 100, "{judged}");
}

#[test]
fn w39_ecdsa_in_both_forms() {
    use ::wycheproof::ecdsa::{TestName, TestSet};
    for (algorithm, name) in [
        ("ecdsa-p256-sha256", TestName::EcdsaSecp256r1Sha256),
        ("ecdsa-p256-sha256-raw", TestName::EcdsaSecp256r1Sha256P1363),
    ] {
        let verifier = Verifier::new(algorithm, "pem");
        let mut judged = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let what = format!("{algorithm} {}: {}", test.tc_id, test.comment);
                verifier.judge(&what, &group.pem, &test.msg, &test.sig, test.result);
                judged += 1;
            }
        }
        assert!(judged >= 200, "{judged}");
    }
}

#[test]
fn w39_rsa_pkcs1() {
    use ::wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let verifier = Verifier::new("rsa-pkcs1-sha256", "pem");
    let mut judged = 0;
    for name in
        [TestName::Rsa2048Sha256, TestName::Rsa3072Sha256, TestName::Rsa4096Sha256, TestName::Rsa8192Sha256]
    {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let what = format!("{name:?} {}: {}", test.tc_id, test.comment);
                verifier.judge(&what, &group.pem, &test.msg, &test.sig, test.result);
                judged += 1;
            }
        }
    }
    assert!(judged >= 500, "{judged}");
}

#[test]
fn w39_rsa_pss_with_a_salt_as_long_as_its_hash_and_no_other() {
    use ::wycheproof::rsa_pss_verify::{TestName, TestSet};
    let verifier = Verifier::new("rsa-pss-sha512", "pem");
    for group in TestSet::load(TestName::RsaPss4096Sha512Mgf1SaltLen64).unwrap().test_groups {
        for test in &group.tests {
            let what = format!("{}: {}", test.tc_id, test.comment);
            verifier.judge(&what, &group.pem, &test.msg, &test.sig, test.result);
        }
    }
    for name in [TestName::RsaPss4096Sha512Mgf1SaltLen32, TestName::RsaPss2048Sha256Mgf1SaltLen32] {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                assert!(!verifier.holds(&group.pem, &test.msg, &test.sig), "{name:?} {}", test.tc_id);
            }
        }
    }
}

#[test]
fn w40_hmac_and_a_tag_that_is_cut_is_none() {
    use ::wycheproof::mac::{TestName, TestSet};
    for (algorithm, name, bits) in [
        ("hmac-sha1", TestName::HmacSha1, 160),
        ("hmac-sha256", TestName::HmacSha256, 256),
        ("hmac-sha384", TestName::HmacSha384, 384),
        ("hmac-sha512", TestName::HmacSha512, 512),
    ] {
        let verifier = Verifier::new(algorithm, "hex");
        let (mut whole, mut cut) = (0, 0);
        for group in TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let what = format!("{algorithm} {}: {}", test.tc_id, test.comment);
                let key = HEXLOWER.encode(&test.key);
                if group.tag_size == bits {
                    verifier.judge(&what, &key, &test.msg, &test.tag, test.result);
                    whole += 1;
                } else {
                    assert!(!verifier.holds(&key, &test.msg, &test.tag), "{what} is let in");
                    cut += 1;
                }
            }
        }
        assert!(whole >= 50 && cut >= 50, "{algorithm}: {whole} {cut}");
    }
}

#[test]
fn s15_aes_256_gcm_siv() {
    use ::wycheproof::aead::{TestName, TestSet};
    use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
    let set = TestSet::load(TestName::AesGcmSiv).unwrap();
    let mut judged = 0;
    for group in set.test_groups.iter().filter(|group| group.key_size == 256) {
        for test in &group.tests {
            let what = format!("{}: {}", test.tc_id, test.comment);
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &test.key).unwrap());
            let nonce: [u8; NONCE_LEN] = test.nonce.as_ref().try_into().unwrap();
            let nonce = || Nonce::assume_unique_for_key(nonce);
            let mut sealed = [test.ct.as_ref(), test.tag.as_ref()].concat();
            let opened =
                key.open_in_place(nonce(), Aad::from(&test.aad), &mut sealed).map(|text| text.to_vec());
            match test.result {
                TestResult::Valid => {
                    assert_eq!(opened.unwrap(), test.pt.as_ref(), "{what}");
                    let mut text = test.pt.to_vec();
                    key.seal_in_place_append_tag(nonce(), Aad::from(&test.aad), &mut text).unwrap();
                    assert_eq!(text, [test.ct.as_ref(), test.tag.as_ref()].concat(), "{what}");
                }
                TestResult::Invalid => assert!(opened.is_err(), "{what} opens"),
                TestResult::Acceptable => {}
            }
            judged += 1;
        }
    }
    assert!(judged > 90, "only {judged} tests");
}
