//! A disk in memory that keeps what was written apart from what was synced, and that fails when it is told to.
//!
//! Not a file system: one file. At a crash it keeps what was synced, and of what was not any part: nothing, all,
//! some writes, some sectors of some writes, some bytes of the last one. Everything is drawn from a seed.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use parking_lot::Mutex;
use redb::StorageBackend;

/// What a device writes as a whole.
const SECTOR: usize = 512;

/// Numbers that follow from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }
}

/// What goes wrong, and when. Operations that change the disk are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing.
    Well,
    /// The power goes during this operation.
    Crash(u64),
    /// This operation fails with this errno, and no other one.
    FailOnce(u64, i32),
    /// This operation and every later one fail with this errno.
    FailFrom(u64, i32),
}

#[derive(Debug, Clone)]
enum Unsynced {
    Write { at: usize, data: Vec<u8> },
    Length(usize),
}

#[derive(Debug)]
struct State {
    synced: Vec<u8>,
    unsynced: Vec<Unsynced>,
    /// What a reader sees.
    seen: Vec<u8>,
    done: u64,
    plan: Plan,
    off: bool,
}

/// The disk. Clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub(super) fn new() -> Self {
        Self::of(Vec::new())
    }

    fn of(synced: Vec<u8>) -> Self {
        let seen = synced.clone();
        let state = State { synced, unsynced: Vec::new(), seen, done: 0, plan: Plan::Well, off: false };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Another disk with what this one would hold after a clean end.
    pub(super) fn copy(&self) -> Self {
        Self::of(self.0.lock().seen.clone())
    }

    /// From now on this happens; counts anew.
    pub(super) fn plan(&self, plan: Plan) {
        let mut state = self.0.lock();
        (state.plan, state.done) = (plan, 0);
    }

    /// Operations since [`Disk::plan`].
    pub(super) fn done(&self) -> u64 {
        self.0.lock().done
    }

    /// Whether the power has gone.
    pub(super) fn is_off(&self) -> bool {
        self.0.lock().off
    }

    /// The power goes, if it has not, and comes back. What of the unsynced is kept is drawn.
    pub(super) fn crash(&self, random: &mut Random) {
        let mut state = self.0.lock();
        let mut image = std::mem::take(&mut state.synced);
        let unsynced = std::mem::take(&mut state.unsynced);
        let manner = random.below(5);
        let last = random.below(unsynced.len() + 1);
        for (number, change) in unsynced.into_iter().enumerate() {
            match change {
                Unsynced::Length(length) => {
                    if manner == 1 || manner == 4 && number < last || manner > 1 && random.coin() {
                        image.resize(length, 0);
                    }
                }
                Unsynced::Write { at, data } => match manner {
                    0 => {}
                    1 => put(&mut image, at, &data),
                    2 if random.coin() => put(&mut image, at, &data),
                    2 => {}
                    3 => {
                        for (index, sector) in data.chunks(SECTOR).enumerate() {
                            if random.coin() {
                                put(&mut image, at + index * SECTOR, sector);
                            }
                        }
                    }
                    // In order up to one that is torn anywhere.
                    _ if number < last => put(&mut image, at, &data),
                    _ if number == last => put(&mut image, at, &data[..random.below(data.len() + 1)]),
                    _ => {}
                },
            }
        }
        state.seen = image.clone();
        state.synced = image;
        (state.off, state.plan) = (false, Plan::Well);
    }
}

fn put(image: &mut Vec<u8>, at: usize, data: &[u8]) {
    if image.len() < at + data.len() {
        image.resize(at + data.len(), 0);
    }
    image[at..at + data.len()].copy_from_slice(data);
}

impl State {
    fn look(&self) -> io::Result<()> {
        if self.off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    /// Counts an operation; whether it may go on, and whether the power goes during it.
    fn begin(&mut self) -> io::Result<bool> {
        self.look()?;
        self.done += 1;
        match self.plan {
            Plan::Crash(at) if at == self.done => {
                self.off = true;
                return Ok(true);
            }
            Plan::FailOnce(at, errno) if at == self.done => return Err(io::Error::from_raw_os_error(errno)),
            Plan::FailFrom(at, errno) if at <= self.done => return Err(io::Error::from_raw_os_error(errno)),
            _ => {}
        }
        Ok(false)
    }
}

fn gone() -> io::Error {
    io::Error::other("the power went")
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        let state = self.0.lock();
        state.look()?;
        Ok(state.seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock();
        state.look()?;
        let at = usize::try_from(offset).unwrap();
        let found = state.seen.get(at..at + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        let crashes = state.begin()?;
        let len = usize::try_from(len).unwrap();
        state.seen.resize(len, 0);
        state.unsynced.push(Unsynced::Length(len));
        if crashes { Err(gone()) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        if state.begin()? {
            return Err(gone());
        }
        let State { synced, unsynced, .. } = &mut *state;
        for change in unsynced.drain(..) {
            match change {
                Unsynced::Length(length) => synced.resize(length, 0),
                Unsynced::Write { at, data } => put(synced, at, &data),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        let at = usize::try_from(offset).unwrap();
        let crashes = state.begin()?;
        put(&mut state.seen, at, data);
        state.unsynced.push(Unsynced::Write { at, data: data.to_vec() });
        if crashes { Err(gone()) } else { Ok(()) }
    }
}
