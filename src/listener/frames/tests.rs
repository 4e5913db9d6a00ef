use std::time::Duration;

use tokio::time::Instant;

use super::FrameMeter;

const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
    let length = u32::try_from(payload).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
    bytes.resize(9 + payload, 0);
    bytes
}

/// A meter, and the time in which nothing passes.
struct Metered {
    meter: FrameMeter,
    now: Instant,
}

impl Metered {
    fn take(&mut self, bytes: &[u8]) -> bool {
        let now = self.now;
        self.meter.take(bytes, || now)
    }
}

fn meter(control: u32, resets: u32) -> Metered {
    let now = Instant::now();
    Metered { meter: FrameMeter::new(control, resets, now), now }
}

#[test]
fn frames_are_counted_however_their_bytes_are_cut() {
    let bytes = [frame(PING, 0, 8), frame(super::DATA, 0, 300), frame(PING, 0, 8)].concat();
    for cut in 1..bytes.len() {
        let mut meter = meter(2, 0);
        assert!(bytes.chunks(cut).all(|chunk| meter.take(chunk)), "cut into {cut}");
        assert!(!meter.take(&frame(PING, 0, 8)), "cut into {cut}");
    }
}

#[test]
fn requests_and_their_bodies_cost_nothing() {
    let mut meter = meter(0, 0);
    for _ in 0..1000 {
        assert!(meter.take(&frame(super::HEADERS, 4, 40)));
        assert!(meter.take(&frame(super::DATA, 0, 1)));
        assert!(meter.take(&frame(super::DATA, super::END_STREAM, 0)));
    }
}

#[test]
fn empty_data_without_an_end_is_counted() {
    let mut meter = meter(3, 0);
    assert!(meter.take(&frame(super::DATA, 0, 0).repeat(3)));
    assert!(!meter.take(&frame(super::DATA, 0, 0)));
}

#[test]
fn resets_have_an_allowance_of_their_own() {
    let mut meter = meter(0, 2);
    assert!(meter.take(&frame(super::RST_STREAM, 0, 4).repeat(2)));
    assert!(!meter.take(&frame(super::RST_STREAM, 0, 4)));
}

#[test]
fn what_we_send_pays_for_window_updates() {
    let mut meter = meter(10, 0);
    for _ in 0..1000 {
        meter.meter.note_sent(2 * 1024);
        assert!(meter.take(&frame(WINDOW_UPDATE, 0, 4).repeat(2)));
    }
    // An answer to a ping does not pay for the next.
    meter.meter.note_sent(10 * 1024);
    let within = (0..20).filter(|_| {
        meter.meter.note_sent(17);
        meter.take(&frame(PING, 0, 8))
    });
    assert_eq!(within.count(), 10);
}

#[test]
fn the_allowance_comes_back_evenly_and_never_exceeds_itself() {
    let mut meter = meter(100, 0);
    let ping = frame(PING, 0, 8);
    let many = |meter: &mut Metered| (0..1000).filter(|_| meter.take(&ping)).count();
    assert_eq!(many(&mut meter), 100);
    meter.now += Duration::from_millis(950);
    assert_eq!(many(&mut meter), 9);
    meter.now += Duration::from_millis(50);
    assert_eq!(many(&mut meter), 1);
    meter.now += Duration::from_secs(3600);
    assert_eq!(many(&mut meter), 100);
}
