//! What the cases of a suite say together: pass@k, the mean score, and how sure one can be of them.

use std::fmt;

/// The quantile of the normal distribution that leaves 2.5 % above it: intervals are of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// By how much a sum of fractions may miss what it would be without rounding.
const ROUNDING: f64 = 1e-9;

/// A metric of a whole suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// The mean of all scores: over cases, of the mean over a case's samples.
    Mean,
    /// The unbiased estimate that one of K samples passes: the mean over cases.
    PassAt(u32),
}

/// What came of one case, its samples counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Task {
    /// How many samples there are.
    pub samples: u32,
    /// How many of them are as wanted.
    pub passed: u32,
    /// Their mean score.
    pub mean: f64,
}

/// The value of an aggregate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// 0..=1.
    pub value: f64,
    /// Where the value for all tasks of this kind lies, with 95 % confidence; none for one task.
    pub interval: Option<(f64, f64)>,
    /// How many tasks it is the mean of.
    pub tasks: usize,
}

impl fmt::Display for Aggregate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aggregate::Mean => formatter.write_str("mean"),
            Aggregate::PassAt(count) => write!(formatter, "pass@{count}"),
        }
    }
}

impl Aggregate {
    /// The aggregate of tasks. None without a task, or where one has too few samples.
    pub fn of(self, tasks: &[Task]) -> Option<Estimate> {
        let values: Option<Vec<f64>> = tasks.iter().map(|task| self.of_task(task)).collect();
        estimate(values?)
    }

    fn of_task(self, task: &Task) -> Option<f64> {
        match self {
            Aggregate::Mean => Some(task.mean),
            Aggregate::PassAt(count) => pass_at(count, task.samples, task.passed),
        }
    }
}

impl Estimate {
    /// Whether it is at least so much, rounding apart.
    pub fn is_at_least(&self, least: f64) -> bool {
        self.value + ROUNDING >= least
    }
}

/// The unbiased estimate that one of `k` samples passes, where `c` of `n` did: 1 − C(n−c, k) / C(n, k),
/// as the product that does not overflow (Chen et al. 2021, <https://arxiv.org/abs/2107.03374>). None
/// where fewer than `k` were made.
pub fn pass_at(k: u32, n: u32, c: u32) -> Option<f64> {
    if n < k {
        return None;
    }
    if n - c < k {
        return Some(1.0);
    }
    let none_passes: f64 = (n - c + 1..=n)
        .map(|i| 1.0 - f64::from(k) / f64::from(i))
        .product();
    Some(1.0 - none_passes)
}

/// The mean of tasks' values and its interval: Wilson's for a proportion, where every value is 0 or 1,
/// else the normal one over tasks. Samples of one task depend on each other and so are one value
/// (Miller 2024, <https://arxiv.org/abs/2411.00640>).
fn estimate(mut values: Vec<f64>) -> Option<Estimate> {
    // Tasks arrive in any order, and a sum of fractions depends on it.
    values.sort_by(f64::total_cmp);
    let tasks = values.len();
    let count = f64::from(u32::try_from(tasks).ok().filter(|count| *count > 0)?);
    let value = values.iter().sum::<f64>() / count;
    let interval = (tasks > 1).then(|| {
        if values.iter().all(|value| *value == 0.0 || *value == 1.0) {
            wilson(value, count)
        } else {
            normal(&values, value, count)
        }
    });
    Some(Estimate {
        value,
        interval,
        tasks,
    })
}

/// Wilson's score interval (Wilson 1927).
fn wilson(share: f64, count: f64) -> (f64, f64) {
    let square = Z * Z;
    let middle = share + square / (2.0 * count);
    let half = Z * (share * (1.0 - share) / count + square / (4.0 * count * count)).sqrt();
    let whole = 1.0 + square / count;
    clipped((middle - half) / whole, (middle + half) / whole)
}

fn normal(values: &[f64], mean: f64, count: f64) -> (f64, f64) {
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let half = Z * (squares / (count - 1.0) / count).sqrt();
    clipped(mean - half, mean + half)
}

fn clipped(low: f64, high: f64) -> (f64, f64) {
    (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::{Aggregate, Task, pass_at};

    fn close(found: f64, wanted: f64) -> bool {
        (found - wanted).abs() < 1e-12
    }

    #[test]
    fn pass_at_k_has_the_values_of_the_paper() {
        for (n, c, k, wanted) in [
            (10, 3, 5, Some(11.0 / 12.0)),
            (1, 0, 1, Some(0.0)),
            (1, 1, 1, Some(1.0)),
            (5, 2, 1, Some(0.4)),
            (5, 0, 5, Some(0.0)),
            (5, 1, 5, Some(1.0)),
            (4, 2, 3, Some(1.0)),
            (4, 4, 5, None),
            (0, 0, 1, None),
            (200, 1, 100, Some(0.5)),
            (1_000_000, 500_000, 1, Some(0.5)),
        ] {
            let found = pass_at(k, n, c);
            let is_as_wanted = match (found, wanted) {
                (Some(found), Some(wanted)) => (found - wanted).abs() < 1e-9,
                (found, wanted) => found == wanted,
            };
            assert!(is_as_wanted, "n={n} c={c} k={k}: {found:?}, not {wanted:?}");
        }
    }

    /// C(n, k), exact.
    fn choose(n: u32, k: u32) -> u128 {
        (0..k).fold(1, |product, i| {
            if k > n {
                0
            } else {
                product * u128::from(n - i) / u128::from(i + 1)
            }
        })
    }

    #[test]
    #[expect(
        clippy::cast_precision_loss,
        reason = "the quotient of two exact integers is what is compared with"
    )]
    fn pass_at_k_is_the_binomial_formula() {
        for n in 1..=40 {
            for c in 0..=n {
                for k in 1..=n {
                    let all = choose(n, k);
                    let wanted = (all - choose(n - c, k)) as f64 / all as f64;
                    let found = pass_at(k, n, c).unwrap();
                    assert!(
                        close(found, wanted),
                        "n={n} c={c} k={k}: {found}, not {wanted}"
                    );
                }
            }
        }
    }

    fn task(passed: u32, samples: u32) -> Task {
        Task {
            samples,
            passed,
            mean: f64::from(passed) / f64::from(samples),
        }
    }

    /// The value and its interval to three digits, as people read them.
    fn shown(aggregate: Aggregate, tasks: &[Task]) -> String {
        match aggregate.of(tasks) {
            None => "none".to_owned(),
            Some(found) => match found.interval {
                None => format!("{:.3}", found.value),
                Some((low, high)) => format!("{:.3} {low:.3}..{high:.3}", found.value),
            },
        }
    }

    #[test]
    fn intervals_are_wilsons_for_proportions_and_normal_for_the_rest() {
        let binary = |passed: usize, all: usize| -> Vec<Task> {
            (0..all).map(|at| task(u32::from(at < passed), 1)).collect()
        };
        let (mean, one) = (Aggregate::Mean, Aggregate::PassAt(1));
        for (aggregate, tasks, wanted) in [
            // The classical example of 8 in 10, and the ends of the scale.
            (one, binary(8, 10), "0.800 0.490..0.943"),
            (one, binary(0, 10), "0.000 0.000..0.278"),
            (one, binary(10, 10), "1.000 0.722..1.000"),
            (mean, binary(81, 263), "0.308 0.255..0.366"),
            (one, binary(1, 1), "1.000"),
            (one, binary(0, 0), "none"),
            // Values 0.5 and 1: variance 0.125, standard error 0.25.
            (one, vec![task(1, 2), task(2, 2)], "0.750 0.260..1.000"),
            (one, vec![task(1, 2); 9], "0.500 0.500..0.500"),
            // Of two samples one is drawn twice: each task has one that passes.
            (
                Aggregate::PassAt(2),
                vec![task(1, 2), task(2, 2)],
                "1.000 0.342..1.000",
            ),
            (Aggregate::PassAt(2), vec![task(1, 2), task(1, 1)], "none"),
            // Several samples of a task are one value: five tasks, not ten.
            (
                mean,
                [0, 1, 1, 2, 2].map(|passed| task(passed, 2)).to_vec(),
                "0.600 0.233..0.967",
            ),
        ] {
            assert_eq!(shown(aggregate, &tasks), wanted, "{aggregate} of {tasks:?}");
        }
    }

    #[test]
    fn no_order_of_arrival_and_no_rounding_decides() {
        let mut tasks: Vec<Task> = (1..=60).map(|passed| task(passed % 7, 7)).collect();
        let first = Aggregate::PassAt(3).of(&tasks).unwrap();
        tasks.reverse();
        tasks.swap(3, 40);
        assert_eq!(Aggregate::PassAt(3).of(&tasks), Some(first));
        let tenths = vec![
            Task {
                samples: 1,
                passed: 0,
                mean: 0.1
            };
            10
        ];
        assert!(Aggregate::Mean.of(&tenths).unwrap().is_at_least(0.1));
        assert!(!Aggregate::Mean.of(&tenths).unwrap().is_at_least(0.100_001));
    }
}
