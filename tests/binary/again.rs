//! What a command does where it stays unknown whether its change was made.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::support::process::{Ended, Process, countersign};
use crate::support::sidecar::TOKEN;

/// The head and body of one request.
fn read(stream: &mut TcpStream) -> String {
    let (mut request, mut chunk) = (String::new(), [0; 4096]);
    loop {
        if let Some((head, body)) = request.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length.map_or(0, |length| length.parse().unwrap()) == body.len() {
                return request;
            }
        }
        let length = stream.read(&mut chunk).unwrap();
        assert_ne!(length, 0, "{request}");
        request.push_str(&String::from_utf8_lossy(&chunk[..length]));
    }
}

fn idempotency_key(request: &str) -> Option<&str> {
    request.lines().find_map(|line| line.strip_prefix("idempotency-key: "))
}

/// Runs the command against a port that gives these answers, one a connection; what it was asked.
fn answered(args: &[&str], answers: &[&str]) -> (Ended, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut command = countersign(dir.path(), args);
    command.env("COUNTERSIGN_ADMIN_TOKEN", TOKEN);
    command.env("COUNTERSIGN_CLI_URL", format!("http://{}", port.local_addr().unwrap()));
    let process = Process::start(command);
    let asked = answers.iter().map(|answer| {
        let (mut stream, _) = port.accept().unwrap();
        let request = read(&mut stream);
        stream.write_all(answer.as_bytes()).unwrap();
        request
    });
    let asked = asked.collect();
    drop(port);
    (process.finish(), asked)
}

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 14\r\n\r\n{\"detail\":\"?\"}";
const MADE: &str =
    "HTTP/1.1 201 Created\r\ncontent-length: 40\r\n\r\n{\"id\":\"a\",\"revision\":1,\"name\":\"one\"    }";

#[test]
fn a_create_whose_outcome_is_unknown_is_asked_for_again_with_the_same_key() {
    for first in [BUSY, ""] {
        let (ended, asked) = answered(&["workspace", "create", "one", "--json"], &[first, MADE]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(idempotency_key(&asked[0]).is_some(), "{}", asked[0]);
        assert_eq!(asked[0], asked[1]);
    }
    // Once, and then it is said.
    let (ended, asked) = answered(&["integration", "rotate-secret", "one"], &[BUSY, BUSY]);
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    assert_eq!(asked[0], asked[1]);
}

#[test]
fn each_command_has_a_key_of_its_own_and_only_where_there_is_a_secret_to_lose() {
    let create = ["workspace", "create", "one", "--json"];
    let keys = [0, 1].map(|_| idempotency_key(&answered(&create, &[MADE]).1[0]).unwrap().to_owned());
    assert_ne!(keys[0], keys[1]);
    let id = "019b76da-a800-7029-b2ea-1d7881aca04e";
    for shows_a_token in
        [&["admin", "create", "Ann", "--role", "auditor"][..], &["admin", "rotate-token", id]]
    {
        let (_, asked) = answered(shows_a_token, &[BUSY, MADE]);
        assert_eq!((asked.len(), idempotency_key(&asked[0])), (2, idempotency_key(&asked[1])));
        assert!(idempotency_key(&asked[0]).is_some(), "{shows_a_token:?}");
    }
    let (ended, asked) = answered(&["integration", "retire-previous", "one"], &[BUSY]);
    assert_eq!((ended.code, idempotency_key(&asked[0])), (Some(69), None));
}
