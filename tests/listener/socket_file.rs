//! The file of a traffic socket: its mode, whose place it takes, and that it goes.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use countersign::listener::{self, Place};
use socket2::{Domain, SockAddr, Type};

use super::unix::{place, somewhere};
use crate::support::http::{Call, Connection};
use crate::support::process::{Process, countersign};
use crate::support::sidecar::{Sidecar, TOKEN, until};
use crate::support::upstream::Upstream;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn the_file_has_the_mode_that_was_asked_for_whatever_the_umask() {
    let (_dir, path) = somewhere();
    for asked in [0o660, 0o600, 0o666, 0o777] {
        let bound = listener::bind(&Place::Unix { path: path.clone(), mode: asked }, 1).unwrap();
        assert_eq!(mode(&path), asked);
        drop(bound);
    }
    let sidecar = Sidecar::builder().unix().start();
    assert_eq!(mode(&sidecar.socket()), 0o660);
    let sidecar = Sidecar::builder().unix().config("[listener]\nsocket_mode = '0600'").start();
    assert_eq!(mode(&sidecar.socket()), 0o600);
}

#[test]
fn a_socket_that_a_process_left_behind_is_replaced() {
    let (_dir, path) = somewhere();
    drop(UnixListener::bind(&path).unwrap());
    let stale = fs::symlink_metadata(&path).unwrap();
    let bound = listener::bind(&place(&path), 1).unwrap();
    let ours = fs::symlink_metadata(&path).unwrap();
    assert_ne!((stale.ino(), stale.ctime_nsec()), (ours.ino(), ours.ctime_nsec()));
    std::os::unix::net::UnixStream::connect(&path).unwrap();
    drop(bound);
}

#[test]
fn what_is_no_socket_is_not_touched() {
    let (dir, path) = somewhere();
    let elsewhere = dir.path().join("elsewhere.sock");
    drop(UnixListener::bind(&elsewhere).unwrap());
    let file = |path: &Path| fs::write(path, "somebody's").unwrap();
    let folder = |path: &Path| fs::create_dir(path).unwrap();
    let link = |path: &Path| symlink(&elsewhere, path).unwrap();
    for put in [&file as &dyn Fn(&Path), &folder, &link] {
        put(&path);
        let before = fs::symlink_metadata(&path).unwrap();
        let refused = listener::bind(&place(&path), 1).unwrap_err();
        assert!(refused.to_string().ends_with("what is there is no socket"), "{refused}");
        assert_eq!(refused.hint(), "remove it");
        let after = fs::symlink_metadata(&path).unwrap();
        assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
        fs::remove_file(&path).or_else(|_| fs::remove_dir(&path)).unwrap();
    }
    assert!(elsewhere.exists());

    let mut sidecar = Sidecar::builder().unix().start();
    sidecar.stop();
    file(&sidecar.socket());
    let refused = sidecar.try_start_again().unwrap_err().to_string();
    let told = format!(
        "listener.address = unix:{} cannot be bound: what is there is no socket; remove it or set listener.address",
        sidecar.socket().display()
    );
    assert_eq!(refused, told);
    assert_eq!(fs::read(sidecar.socket()).unwrap(), b"somebody's");
}

#[test]
fn a_socket_in_use_is_left_to_whoever_uses_it() {
    let (_dir, path) = somewhere();
    let first = listener::bind(&place(&path), 1).unwrap();
    let inode = fs::symlink_metadata(&path).unwrap().ino();
    let refused = listener::bind(&place(&path), 1).unwrap_err();
    assert!(refused.is_in_use(), "{refused}");
    assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), inode);
    drop(first);
    assert!(!path.exists());

    // One that does not come to accepting: nobody waits for it.
    let busy = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    busy.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    busy.listen(0).unwrap();
    let mut queued = Vec::new();
    loop {
        let client = socket2::Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        if client.connect(&SockAddr::unix(&path).unwrap()).is_err() {
            break;
        }
        queued.push(client);
    }
    assert!(listener::bind(&place(&path), 1).unwrap_err().is_in_use());

    // A socket of another kind is somebody's as well.
    drop((busy, queued));
    fs::remove_file(&path).unwrap();
    let datagrams = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let refused = listener::bind(&place(&path), 1).unwrap_err();
    assert!(refused.to_string().contains("cannot be told"), "{refused}");
    drop(datagrams);
    assert!(path.exists());
}

#[test]
fn a_directory_that_is_missing_is_named_as_the_cause() {
    let (dir, _) = somewhere();
    let refused = listener::bind(&place(&dir.path().join("run/traffic.sock")), 1).unwrap_err();
    assert_eq!(refused.hint(), "make its directory");
}

#[test]
fn a_file_that_has_taken_our_place_is_left_alone() {
    let (_dir, path) = somewhere();
    let bound = listener::bind(&place(&path), 2).unwrap();
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(bound);
    assert!(path.exists());
    drop(other);
}

#[test]
fn a_process_keeps_its_socket_over_a_reload_and_removes_it_in_the_end() {
    let (dir, path) = somewhere();
    let upstream = Upstream::start();
    let file = dir.path().join("countersign.toml");
    let config = |mode: &str, path: &str| {
        format!(
            "[listener]\nsocket_mode = '{mode}'\n[drain]\ndelay = '0s'\n\
             [[routes]]\nname = 'open'\npath = '{path}'\nverify = 'none'\n"
        )
    };
    fs::write(&file, config("0600", "/one")).unwrap();
    let (any, socket) = ("127.0.0.1:0", "unix:traffic.sock");
    let mut command = countersign(
        dir.path(),
        &["serve", "--listener", socket, "--admin", any, "--ops", any, "--config", "countersign.toml"],
    );
    command.args(["--upstream", &upstream.url]).env("COUNTERSIGN_ADMIN_TOKEN", TOKEN);
    let mut process = Process::start(command);
    let up = process.is_up();
    assert_eq!(up["traffic"], socket);
    let ops = up["ops"].as_str().unwrap().parse().unwrap();
    until("it is ready", || Call::get("/readyz").send(ops).status == 200);
    assert_eq!(mode(&path), 0o600);
    let inode = fs::symlink_metadata(&path).unwrap().ino();
    let mut open = Connection::open_unix(&path);
    let mut asked = |target: &str| {
        open.write(&Call::get(target).bytes());
        open.answer_to("GET").status
    };
    assert_eq!((asked("/one"), asked("/two")), (200, 404));

    fs::write(&file, config("0600", "/two")).unwrap();
    process.signal("HUP");
    until("the new route is there", || asked("/two") == 200);
    assert_eq!(Call::get("/two").send_unix(&path).status, 200);
    fs::write(&file, config("0666", "/one")).unwrap();
    process.signal("HUP");
    process.wait_for("the mode is refused", |out, err| {
        let why = "listener.socket_mode: a change of it needs a restart";
        (out.contains(why) || err.contains(why)).then_some(())
    });
    assert_eq!((mode(&path), fs::symlink_metadata(&path).unwrap().ino()), (0o600, inode));

    process.signal("TERM");
    let ended = process.finish();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!path.exists());
}
