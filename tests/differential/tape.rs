//! An application that keeps the exact bytes of each request that it gets, one request for each connection.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;

use super::strict::{self, Read, Reading};

/// One request as it went up.
#[derive(Debug, Clone)]
pub(super) struct Tape {
    pub(super) bytes: Vec<u8>,
    pub(super) reading: Reading,
}

#[derive(Default)]
struct Record {
    tapes: Vec<Tape>,
    faults: Vec<String>,
}

/// The application. It lives as long as the process.
pub(super) struct Recorder {
    pub(super) url: String,
    record: Arc<Mutex<Record>>,
}

impl Recorder {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let record = Arc::new(Mutex::new(Record::default()));
        let kept = Arc::clone(&record);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                serve(stream, &kept);
            }
        });
        Self { url, record }
    }

    /// The requests since they were last taken, and what the strict reader had against any.
    pub(super) fn take(&self) -> (Vec<Tape>, Vec<String>) {
        let record = std::mem::take(&mut *self.record.lock());
        (record.tapes, record.faults)
    }
}

/// Answers the first whole request and ends the connection, so that what stands behind it shows. A request that does
/// not end is none, and its connection ends without an answer.
fn serve(mut stream: TcpStream, record: &Mutex<Record>) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
        }
        match strict::first(&bytes) {
            Read::Partial => {}
            Read::Fault(fault) => {
                let shown = String::from_utf8_lossy(&bytes).into_owned();
                record.lock().faults.push(format!("{fault}: {shown:?}"));
                return;
            }
            Read::Whole(reading, used) => {
                if used < bytes.len() {
                    let shown = String::from_utf8_lossy(&bytes).into_owned();
                    record.lock().faults.push(format!("bytes behind a request: {shown:?}"));
                }
                record.lock().tapes.push(Tape { bytes, reading });
                let _gone =
                    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                let _gone = stream.shutdown(std::net::Shutdown::Write);
                if matches!(stream.read(&mut chunk), Ok(1..)) {
                    record.lock().faults.push("bytes after an answered request".to_owned());
                }
                return;
            }
        }
    }
}
