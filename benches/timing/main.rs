//! Whether the time of what handles secrets tells anything of them: dudect's method (Reparaz, Balasch and
//! Verbauwhede, "dude, is my code constant time?", 2016).
//!
//! `cargo bench --bench timing [-- NAME]`; see `benches/README.md`. Two classes of inputs are timed in random
//! order, and Welch's t-test says whether their times differ: |t| below 5 is no evidence of it. Not a proof
//! of equal times, and not a figure of how fast anything is.

#![expect(clippy::indexing_slicing, reason = "by class, which is 0 or 1")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "places in lists"
)]

mod cases;
#[path = "../micro/ring.rs"]
mod ring;
mod welch;

use std::error::Error;
use std::hint::black_box;

use countersign::clock::{Clock as _, SystemClock};

type BoxError = Box<dyn Error>;

/// Timed runs of both classes together.
const SAMPLES: usize = 400_000;
/// Runs that only warm caches and predictors.
const WARM_UP: usize = 20_000;
/// From here on a difference is believed: dudect's own bound.
const LIMIT: f64 = 5.0;

/// Two classes of inputs of one operation. `run` does it once for a class and says how long that took, in ns.
struct Case {
    name: &'static str,
    classes: [&'static str; 2],
    run: Box<dyn FnMut(usize) -> f64>,
}

/// Makes an input anew, so that both classes are read from the same places, and times the operation alone.
fn timed<I>(
    make: impl Fn(usize) -> I + 'static,
    operation: impl Fn(&I) + 'static,
) -> Box<dyn FnMut(usize) -> f64> {
    Box::new(move |class| {
        let input = black_box(make(class));
        let began = SystemClock.monotonic();
        operation(&input);
        SystemClock.monotonic().saturating_duration_since(began).as_secs_f64() * 1e9
    })
}

fn main() -> Result<(), BoxError> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    println!("{:34} {:>26} {:>26} {:>8} {:>8}", "", "one class, ns", "the other, ns", "|t|", "");
    let mut apart = 0;
    for mut case in cases::all()? {
        if !wanted.iter().all(|part| case.name.contains(part.as_str())) {
            continue;
        }
        let times = sample(&mut case);
        let t = welch::largest(&times);
        let [one, other] =
            [0, 1].map(|class| format!("{} {:.1}", case.classes[class], welch::median(&times[class])));
        let verdict = if t < LIMIT { "" } else { "differs" };
        apart += usize::from(t >= LIMIT);
        println!("{:34} {one:>26} {other:>26} {t:8.2} {verdict:>8}", case.name);
    }
    println!("{SAMPLES} samples each; {apart} of them differ (|t| ≥ {LIMIT})");
    Ok(())
}

/// Times both classes in an order that nothing can predict.
fn sample(case: &mut Case) -> [Vec<f64>; 2] {
    let mut order = Order(0x9e37_79b9_7f4a_7c15);
    for _ in 0..WARM_UP {
        let _ = (case.run)(order.next());
    }
    let mut times = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
    for _ in 0..SAMPLES {
        let class = order.next();
        times[class].push((case.run)(class));
    }
    times
}

/// Zeros and ones (xorshift64*): fixed, so that a run can be repeated.
struct Order(u64);

impl Order {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 63 == 1)
    }
}
