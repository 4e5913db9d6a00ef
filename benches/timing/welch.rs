//! Welch's t-test over times that were cropped at several heights, as dudect does: interrupts and the like only
//! ever lengthen a run, and hide small differences.

/// Quantiles of all times above which a time is left out; 1 keeps all.
const CROPS: [f64; 6] = [0.5, 0.75, 0.9, 0.95, 0.99, 1.0];

/// The largest |t| over all crops.
pub(crate) fn largest(times: &[Vec<f64>; 2]) -> f64 {
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let crops = CROPS.map(|crop| all[((all.len() - 1) as f64 * crop) as usize]);
    crops.into_iter().map(|limit| t(times, limit).abs()).fold(0.0, f64::max)
}

/// The middle one.
pub(crate) fn median(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn t(times: &[Vec<f64>; 2], limit: f64) -> f64 {
    let [one, other] = [0, 1].map(|class| moments(times[class].iter().filter(|time| **time <= limit)));
    let spread = (one.variance / one.count + other.variance / other.count).sqrt();
    if spread > 0.0 { (one.mean - other.mean) / spread } else { 0.0 }
}

struct Moments {
    count: f64,
    mean: f64,
    variance: f64,
}

/// Welford's algorithm.
fn moments<'t>(times: impl Iterator<Item = &'t f64>) -> Moments {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for time in times {
        count += 1.0;
        let delta = time - mean;
        mean += delta / count;
        squares += delta * (time - mean);
    }
    Moments { count, mean, variance: squares / (count - 1.0_f64).max(1.0) }
}
