//! Back-pressure: whoever does not read stops whoever writes, and we hold little of what lies between.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{get, head, scripted, send};
use crate::support::http::Call;

/// More than the sockets' buffers and ours hold together, by far.
const MUCH: usize = 256 << 20;
/// What the kernel's buffers of two connections and ours may hold.
const HELD: usize = 64 << 20;

/// Writes until nothing has been taken for a second; how much that was.
fn write_until_stuck(stream: &mut TcpStream, chunk: &[u8]) -> usize {
    stream.set_write_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
    let mut written = 0;
    while written < MUCH {
        match stream.write(chunk) {
            Ok(length) => written += length,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return written,
            Err(error) => panic!("{error} after {written} bytes"),
        }
    }
    written
}

#[test]
fn an_answer_that_nobody_reads_is_not_collected_here() {
    let (sidecar, script, key) = scripted("");
    let mut client = send(sidecar.traffic(), &get(&key, "/big").bytes());
    let (mut application, _) = script.accept_head();
    application.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n").as_bytes()).unwrap();
    let mut sent = write_until_stuck(&mut application, &[b'x'; 64 * 1024]);
    assert!(sent < HELD, "{sent} bytes were taken that nobody reads");
    // When it is read, all of it comes.
    application.set_write_timeout(None).unwrap();
    let writer = std::thread::spawn(move || {
        while sent < MUCH {
            sent += application.write(&[b'x'; 64 * 1024][..(64 * 1024).min(MUCH - sent)]).unwrap();
        }
    });
    head(&mut client);
    let mut received = 0;
    let mut chunk = vec![0; 1 << 20];
    while received < MUCH {
        let length = client.read(&mut chunk).unwrap();
        assert!(length > 0, "it ended after {received} bytes");
        received += length;
    }
    writer.join().unwrap();
}

#[test]
fn a_body_that_the_application_does_not_read_is_not_collected_here() {
    let (sidecar, script, key) = scripted("[limits]\nmax_body = '1GiB'\nbody_budget = '1GiB'");
    let call = get(&key, "/upload").header("Content-Length", MUCH.to_string());
    let mut client = send(sidecar.traffic(), &Call { method: "POST".into(), ..call }.bytes());
    let (mut application, _) = script.accept_head();
    let sent = write_until_stuck(&mut client, &[b'x'; 64 * 1024]);
    assert!(sent < HELD, "{sent} bytes were taken that nobody reads");
    assert_eq!(sidecar.metrics("countersign_body_bytes_in_flight"), ["countersign_body_bytes_in_flight 0"]);
    let mut received = 0;
    let mut chunk = vec![0; 1 << 20];
    while received < sent {
        let length = application.read(&mut chunk).unwrap();
        assert!(length > 0 && chunk[..length].iter().all(|byte| *byte == b'x'));
        received += length;
    }
}
