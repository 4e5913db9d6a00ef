//! What the benchmarks measure against and with: `programs application|floor|hyper|keyset`, see
//! `benches/README.md`.
//!
//! Not shipped: an example target, so that `cargo build --release` leaves it out. Each program is one thread.

mod application;
mod floor;
mod http;
mod hyper;
mod keyset;
mod readiness;

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;

const USAGE: &str = "\
usage: programs application LISTEN
       programs floor LISTEN UPSTREAM API_KEY SECRET
       programs hyper LISTEN UPSTREAM
       programs keyset make|change REDIS_URL KEK_DIR COUNT";

/// Any error: it ends the program.
type BoxError = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let address = |text: &str| text.parse::<SocketAddr>();
    match arguments.as_slice() {
        ["application", listen] => application::run(address(listen)?)?,
        ["floor", listen, upstream, key, secret] => {
            floor::run(address(listen)?, address(upstream)?, &floor::Checks::new(key, secret)?)?;
        }
        ["hyper", listen, upstream] => hyper::run(address(listen)?, address(upstream)?)?,
        ["keyset", "make", url, keks, count] => keyset::make(url, Path::new(keks), count.parse()?)?,
        ["keyset", "change", url, keks, count] => keyset::change(url, Path::new(keks), count.parse()?)?,
        _ => return Err(USAGE.into()),
    }
    Ok(())
}
