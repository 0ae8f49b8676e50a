//! What the proxy held in the course of time, and whether that stood still.

use std::time::Duration;
use underpass_benches::meter::Holdings;

/// One look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) open: u64,
    pub(crate) holdings: Holdings,
}

/// Growth of the middle that is no leak: which buffers are in use varies by chance.
const CHANCE: f64 = 0.05;
/// The same for a few tunnels, in bytes.
const SMALL: u64 = 1 << 20;

/// Why memory did not stand still, if so. The first third is not looked at: pools fill up there. The middles of the
/// second and of the last third have to be the same but for chance.
pub(crate) fn growth(curve: &[Sample]) -> Option<String> {
    let third = curve.len() / 3;
    if third == 0 {
        return Some(format!("{} looks at memory are too few to say that it stands still", curve.len()));
    }
    let (before, after) = (middle(&curve[third..2 * third]), middle(&curve[2 * third..]));
    let allowed = before + (before as f64 * CHANCE) as u64 + SMALL;
    (after > allowed).then(|| format!("private memory grew from {before} to {after} bytes"))
}

fn middle(samples: &[Sample]) -> u64 {
    let mut figures: Vec<_> = samples.iter().map(|sample| sample.holdings.private).collect();
    figures.sort_unstable();
    figures[figures.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::{Holdings, Sample, growth};
    use std::time::Duration;

    fn curve(megabytes: impl IntoIterator<Item = u64>) -> Vec<Sample> {
        let sample = |private: u64| {
            let holdings = Holdings { private: private << 20, resident: 0, descriptors: 0 };
            Sample { at: Duration::ZERO, open: 0, holdings }
        };
        megabytes.into_iter().map(sample).collect()
    }

    #[test]
    fn what_fills_up_stands_still_and_what_leaks_does_not() {
        assert_eq!(growth(&curve([1, 9, 20, 20, 21, 20, 20, 20, 21])), None);
        assert!(growth(&curve((20..50).map(|at| at * 10))).is_some());
        assert!(growth(&curve([1, 1])).is_some(), "nothing can be said");
    }
}
