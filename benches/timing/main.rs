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
/// Inputs that are made before the first of them is timed.
const BATCH: usize = 100;
/// From here on a difference is believed: dudect's own bound.
const LIMIT: f64 = 5.0;

/// Two classes of inputs of one operation.
struct Case {
    name: &'static str,
    classes: [&'static str; 2],
    run: Run,
}

/// Does the operation once for each class of a list and says how long each took, in ns.
type Run = Box<dyn FnMut(&[usize]) -> Vec<f64>>;

/// Times the operation alone. Every input of a batch is there before the first is timed: what making one leaves
/// behind in caches and predictors would otherwise tell its class.
fn timed<I>(mut make: impl FnMut(usize) -> I + 'static, operation: impl Fn(&I) + 'static) -> Run {
    Box::new(move |classes| {
        let inputs: Vec<I> = classes.iter().map(|class| black_box(make(*class))).collect();
        let time = |input| {
            let began = SystemClock.monotonic();
            operation(input);
            SystemClock.monotonic().saturating_duration_since(began).as_secs_f64() * 1e9
        };
        inputs.iter().map(time).collect()
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
    let mut times = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
    for batch in 0..(WARM_UP + SAMPLES) / BATCH {
        let classes: Vec<usize> = (0..BATCH).map(|_| order.next()).collect();
        let took = (case.run)(&classes);
        if batch >= WARM_UP / BATCH {
            classes.into_iter().zip(took).for_each(|(class, time)| times[class].push(time));
        }
    }
    times
}

/// Numbers as if by chance (xorshift64*): fixed, so that a run can be repeated.
struct Order(u64);

impl Order {
    /// Zero or one.
    fn next(&mut self) -> usize {
        usize::from(self.draw() >> 63 == 1)
    }

    /// Any below `count`.
    fn below(&mut self, count: u128) -> u128 {
        (u128::from(self.draw()) * count) >> 64
    }

    fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
