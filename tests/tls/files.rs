//! Files that change under a running sidecar.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{Secured, builder};
use crate::support::certificates::Pair;
use crate::support::http::Call;
use crate::support::log;
use crate::support::sidecar::until;

impl Secured {
    fn shown(&self) -> Vec<u8> {
        self.client().open(self.sidecar.traffic(), "app.example").unwrap().certificate()
    }

    fn reloads(&self) -> (usize, usize) {
        let count = |outcome: &str| {
            let name =
                format!("countersign_tls_reloads_total{{section=\"listener.tls\",outcome=\"{outcome}\"}} ");
            let lines = self.sidecar.metrics(&name);
            lines[0].rsplit(' ').next().unwrap().parse().unwrap()
        };
        (count("applied"), count("refused"))
    }
}

fn der(file: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(file).unwrap().to_vec()
}

/// What it is; the certificate and the key, where they change; what is said.
type Case<'a> = (&'a str, Option<Vec<u8>>, Option<Vec<u8>>, &'a str);

/// As certificate tools do: a new file of the same name.
fn rename_over(from: &Path, to: &Path) {
    let beside = to.with_extension("new");
    fs::copy(from, &beside).unwrap();
    fs::rename(beside, to).unwrap();
}

#[test]
fn t03_a_renewed_certificate_is_used_by_new_handshakes_and_open_sessions_live() {
    let secured = Secured::start();
    let mut open = secured.client().open(secured.sidecar.traffic(), "app.example").unwrap();
    assert_eq!(open.exchange(&Call::get("/before")).unwrap().status, 200);
    let renewed = secured.authority.vouch("renewed", &["app.example"]);
    rename_over(&renewed.cert, &secured.pair.cert);
    rename_over(&renewed.key, &secured.pair.key);
    // Nobody tells the sidecar.
    until("the new one is shown", || secured.shown() == der(&renewed.cert));
    assert_eq!(open.exchange(&Call::get("/after")).unwrap().status, 200);
    assert_eq!(secured.reloads().0, 1);
}

#[test]
fn t03_the_swap_of_a_kubernetes_mount_is_seen() {
    let secured = Secured::start();
    let mount = tempfile::tempdir().unwrap();
    let fill = |revision: &str, pair: &Pair| {
        let dir = mount.path().join(revision);
        fs::create_dir(&dir).unwrap();
        fs::copy(&pair.cert, dir.join("tls.crt")).unwrap();
        fs::copy(&pair.key, dir.join("tls.key")).unwrap();
    };
    fill("..2026_01", &secured.pair);
    symlink("..2026_01", mount.path().join("..data")).unwrap();
    symlink("..data/tls.crt", mount.path().join("tls.crt")).unwrap();
    symlink("..data/tls.key", mount.path().join("tls.key")).unwrap();
    let mounted = Pair { cert: mount.path().join("tls.crt"), key: mount.path().join("tls.key") };
    let sidecar = builder(&[&mounted], "").start();
    let shown = || secured.client().open(sidecar.traffic(), "app.example").unwrap().certificate();
    assert_eq!(shown(), der(&secured.pair.cert));

    let renewed = secured.authority.vouch("renewed", &["app.example"]);
    fill("..2026_02", &renewed);
    symlink("..2026_02", mount.path().join("..data_tmp")).unwrap();
    fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).unwrap();
    fs::remove_dir_all(mount.path().join("..2026_01")).unwrap();
    until("the new one is shown", || shown() == der(&renewed.cert));
}

#[test]
fn t04_what_is_faulty_never_replaces_what_is_good() {
    log::keep();
    let secured = Secured::start();
    let good = der(&secured.pair.cert);
    let (cert, key) = (secured.pair.cert.clone(), secured.pair.key.clone());
    let (old_cert, old_key) = (fs::read(&cert).unwrap(), fs::read(&key).unwrap());
    let renewed = secured.authority.vouch("renewed", &["app.example"]);
    let expired = secured.authority.vouch_expired("expired", &["app.example"]);
    let read = |path: &Path| fs::read(path).unwrap();
    let half = read(&renewed.key).len() / 2;
    let cases: [Case<'_>; 8] = [
        ("garbage", Some(b"garbage".to_vec()), None, "has no certificate in PEM"),
        ("empty", Some(Vec::new()), None, "has no certificate in PEM"),
        ("half a pair", Some(read(&renewed.cert)), None, "is not the key of the certificate in "),
        ("the other half", None, Some(read(&renewed.key)), "is not the key of the certificate in "),
        ("a cut key", None, Some(read(&renewed.key)[..half].to_vec()), "has no private key in PEM"),
        ("a certificate as key", None, Some(read(&renewed.cert)), "has no private key in PEM"),
        ("expired", Some(read(&expired.cert)), Some(read(&expired.key)), "its certificate has expired"),
        ("too large", Some(vec![b'x'; (1 << 20) + 1]), None, "has more than 1048576 bytes"),
    ];
    let before = secured.reloads();
    for (number, (what, bad_cert, bad_key, why)) in cases.into_iter().enumerate() {
        fs::write(&cert, bad_cert.unwrap_or_else(|| old_cert.clone())).unwrap();
        fs::write(&key, bad_key.unwrap_or_else(|| old_key.clone())).unwrap();
        // Said once, however often it is looked at.
        secured.sidecar.running().look_at_certificates();
        secured.sidecar.running().look_at_certificates();
        assert_eq!(secured.shown(), good, "{what}");
        let verbose = secured.sidecar.ops("/readyz?verbose").text();
        assert!(verbose.contains(why) && verbose.ends_with("ok\n"), "{what}: {verbose}");
        // Whatever the poll has seen between two writes of this test comes on top.
        assert!(secured.reloads().1 > before.1 + number, "{what}");
    }
    fs::remove_file(&key).unwrap();
    secured.sidecar.running().look_at_certificates();
    assert_eq!(secured.shown(), good, "no key at all");

    // Whole again: the next change is taken.
    fs::write(&cert, read(&renewed.cert)).unwrap();
    fs::write(&key, read(&renewed.key)).unwrap();
    secured.sidecar.running().look_at_certificates();
    assert_eq!(secured.shown(), der(&renewed.cert));
    let verbose = secured.sidecar.ops("/readyz?verbose").text();
    assert!(!verbose.contains("NOT in force"), "{verbose}");

    let said = log::kept();
    assert!(said.contains("is not the key of the certificate in "));
    for text in [&old_key, &read(&renewed.key)] {
        let line = String::from_utf8(text.clone()).unwrap().lines().nth(1).unwrap().to_owned();
        assert!(!said.contains(&line), "a private key was logged");
    }
}

#[test]
fn what_is_faulty_at_the_start_is_said_with_its_option_and_nothing_starts() {
    let authority = crate::support::certificates::Authority::new("servers");
    let (one, other) = (authority.vouch("one", &["a"]), authority.vouch("other", &["b"]));
    let pair = Pair { cert: one.cert.clone(), key: other.key.clone() };
    let mut sidecar = builder(&[&one], "").start();
    sidecar.stop();
    sidecar.reconfigure(|config| {
        config.listener.tls.as_mut().unwrap().certificates[0].key_file.clone_from(&pair.key);
    });
    let fault = sidecar.try_start_again().unwrap_err().to_string();
    let expected = format!(
        "listener.tls.certificates[0].key_file = {}: is not the key of the certificate in {}",
        other.key.display(),
        one.cert.display()
    );
    assert_eq!(fault, expected);
    assert!(!format!("{:?}", sidecar.try_start_again().err()).contains("PRIVATE"));
}
