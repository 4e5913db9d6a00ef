//! The pure parts of a request's way, one by one: time, allocations, and instructions for `benches/instructions`.
//!
//! `cargo bench --bench micro [-- NAME]`; see `benches/README.md`. A harness of our own, because instruction
//! counts need a process that does one thing a given number of times and nothing else.

mod cases;
mod ring;

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use countersign::clock::{Clock as _, SystemClock};

/// How long a case is measured, in batches of which the median is taken.
const BATCHES: usize = 21;
const BATCH: Duration = Duration::from_millis(20);

type BoxError = Box<dyn Error>;
/// Does the thing once.
type Run = Box<dyn FnMut()>;

/// One thing that is measured.
struct Case {
    name: String,
    prepare: Box<dyn Fn() -> Result<Run, BoxError>>,
}

impl Case {
    fn new(name: impl Into<String>, prepare: impl Fn() -> Result<Run, BoxError> + 'static) -> Self {
        Self { name: name.into(), prepare: Box::new(prepare) }
    }
}

/// Makes a [`Run`] of something with a result.
fn run<T>(mut thing: impl FnMut() -> T + 'static) -> Run {
    Box::new(move || {
        black_box(thing());
    })
}

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--list"] => cases::all().iter().for_each(|case| println!("{}", case.name)),
        ["--times", times, name] => {
            let times: usize = times.parse()?;
            let case = cases::all().into_iter().find(|case| case.name == *name);
            let mut run = (case.ok_or("there is no such case")?.prepare)()?;
            (0..times).for_each(|_| run());
        }
        filter => {
            println!("{:44} {:>12} {:>12} {:>12}", "", "ns", "allocations", "bytes");
            for case in cases::all() {
                if filter.iter().all(|part| case.name.contains(part)) {
                    measure(&case)?;
                }
            }
        }
    }
    Ok(())
}

fn measure(case: &Case) -> Result<(), BoxError> {
    let mut run = (case.prepare)()?;
    let mut time = |times: u32| {
        let began = SystemClock.monotonic();
        (0..times).for_each(|_| run());
        SystemClock.monotonic().saturating_duration_since(began)
    };
    let mut times = 1;
    while time(times) < BATCH / 4 {
        times *= 2;
    }
    let mut batches: Vec<f64> =
        (0..BATCHES).map(|_| time(times * 4).as_secs_f64() * 1e9 / f64::from(times * 4)).collect();
    batches.sort_by(f64::total_cmp);
    let median = batches.get(BATCHES / 2).copied().unwrap_or_default();
    let allocated = allocation_counter::measure(run);
    println!("{:44} {median:12.1} {:12} {:12}", case.name, allocated.count_total, allocated.bytes_total);
    Ok(())
}
