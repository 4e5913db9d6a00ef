//! What is counted.

use super::Streams;
use crate::upstream::MOST_INTERIM;

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
    for _ in 0..=MOST_INTERIM {
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
