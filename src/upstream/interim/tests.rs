//! What is counted, however its bytes are cut.

use proptest::prelude::{Just, Strategy, prop, prop_assert_eq, prop_oneof, proptest};

use super::{At, Heads, MOST, Streams};

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\n\n\n\n";

fn awaiting() -> Heads {
    Heads { at: At::Status(0), interim: 0 }
}

/// Whether all of it passes, cut into pieces of this size.
fn passes(text: &str, size: usize) -> bool {
    let mut heads = awaiting();
    text.as_bytes().chunks(size).all(|piece| heads.take(piece))
}

fn both_sizes(text: &str) -> [bool; 2] {
    [passes(text, 1), passes(text, text.len())]
}

#[test]
fn so_many_interim_answers_pass_and_no_more() {
    let most = usize::from(MOST);
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.0 102\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nX: HTTP/1.1 200 OK\r\n\r\n",
        "\r\n\nHTTP/1.1 199 x\nA: b\n\n",
        "HTTP/1.1 110 x\r\n\r\n",
    ] {
        assert_eq!(both_sizes(&(interim.repeat(most) + ANSWER)), [true; 2], "{interim:?}");
        assert_eq!(both_sizes(&(interim.repeat(most + 1) + ANSWER)), [false; 2], "{interim:?}");
    }
}

#[test]
fn what_follows_the_status_of_an_answer_is_not_looked_at() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    for status in ["200 OK", "204 No Content", "304 Not Modified", "500 No", "101 Switching Protocols"] {
        let answer = format!("HTTP/1.1 {status}\r\n\r\n{interim}");
        assert_eq!(both_sizes(&answer), [true; 2], "{status}");
    }
    // Nobody has asked.
    assert!(Heads::default().take(interim.as_bytes()));
}

fn frame(kind: u8, flags: u8, stream: u32, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.resize(9 + usize::try_from(u32::from_be_bytes(length)).unwrap(), 1);
    bytes
}

fn head(stream: u32) -> Vec<u8> {
    frame(1, 0x4, stream, 20)
}

#[test]
fn the_heads_of_each_stream_are_counted_apart() {
    let mut streams = Streams::default();
    for _ in 0..=MOST {
        for stream in [1, 3, 5] {
            assert!(streams.take(&head(stream)));
        }
    }
    // The answer of one has begun, another has ended, and a third gets one more.
    assert!(streams.take(&frame(0, 0, 1, 100)));
    assert!(streams.take(&frame(1, 0x5, 3, 20)));
    assert!(streams.take(&head(1)));
    assert!(streams.take(&head(3)));
    assert!(!streams.take(&head(5)));
}

#[test]
fn streams_that_nobody_waits_for_are_forgotten() {
    let mut streams = Streams::default();
    for stream in 0..10_000 {
        assert!(streams.take(&head(stream * 2 + 1)));
    }
    assert!(streams.heads.len() <= super::REMEMBERED);
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("HTTP/1.1 100 Continue\r\n\r\n".to_owned()),
        Just("HTTP/1.1 103 x\nA: b\r\n\n".to_owned()),
        Just(ANSWER.to_owned()),
        Just("\r\n".to_owned()),
        "[ -~\r\n]{0,20}",
    ]
}

proptest! {
    #[test]
    fn it_does_not_matter_how_bytes_are_cut(parts in prop::collection::vec(part(), 0..40), size in 1_usize..50) {
        let text = parts.concat();
        prop_assert_eq!(passes(&text, size), passes(&text, text.len().max(1)));
    }
}
