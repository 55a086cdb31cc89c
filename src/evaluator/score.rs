//! From metrics to a score: weights, gates, the cause of a zero, and whether the case passes.

use super::Evaluator;
use crate::reward::{Cause, Metric, Reward};

/// How a case's metrics become its score and verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreRule {
    /// How much each metric counts; positive, in any unit.
    pub weights: Vec<(String, f64)>,
    /// Metrics with floors below which the score is 0.
    pub gates: Vec<(String, f64)>,
    /// Which scores are as wanted.
    pub wanted: Wanted,
}

/// Which scores are as wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// This score or more.
    AtLeast(f64),
    /// This score or less, and if it is 0, perhaps for this cause: replies known to be bad.
    AtMost(f64, Option<Cause>),
}

/// Sums of weights are not exact: a score this near to what is wanted is what is wanted.
const EPSILON: f64 = 1e-9;

impl ScoreRule {
    /// The reward for these metrics; `trouble` is what went wrong with the executions.
    pub(super) fn reward(&self, metrics: Vec<(String, Metric)>, trouble: Option<Cause>) -> Reward {
        let value = |name: &str| {
            metrics
                .iter()
                .find(|(metric, _)| metric == name)
                .map_or(0.0, |(_, metric)| metric.score)
        };
        let closed = self
            .gates
            .iter()
            .find(|(gate, floor)| value(gate) < floor - EPSILON);
        let total: f64 = self.weights.iter().map(|(_, weight)| weight).sum();
        let weighted: f64 = self
            .weights
            .iter()
            .map(|(name, weight)| weight * value(name))
            .sum();
        let open = if total > 0.0 {
            (weighted / total).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let open = if open > 1.0 - EPSILON { 1.0 } else { open };
        let score = if closed.is_some() { 0.0 } else { open };
        let ran = !self
            .gates
            .iter()
            .any(|(gate, floor)| gate == "execution_result" && value(gate) < floor - EPSILON);
        let cause = (score <= 0.0).then(|| match trouble {
            // The gate took what there was.
            _ if closed.is_some() && ran && open > 0.0 => Cause::Gate,
            Some(cause) => cause,
            None => Cause::Wrong,
        });
        let because = match closed {
            Some((gate, floor)) => {
                format!("the gate `{gate}` is at {}, below {floor}", value(gate))
            }
            None => self.sum(&value),
        };
        self.verdict(score, cause, metrics, because)
    }

    /// The reward of a reply without code: everything that was expected is missing.
    pub(super) fn reward_without_code(
        &self,
        mut metrics: Vec<(String, Metric)>,
        evaluator: &Evaluator,
    ) -> Reward {
        for name in std::iter::once("execution_result").chain(
            evaluator
                .expectations
                .iter()
                .map(super::Expectation::metric),
        ) {
            if !metrics.iter().any(|(metric, _)| metric == name) {
                metrics.push((
                    name.to_owned(),
                    Metric::of(false, "nothing ran: the reply holds no code".to_owned()),
                ));
            }
        }
        self.verdict(
            0.0,
            Some(Cause::NoCode),
            metrics,
            "the reply holds no code".to_owned(),
        )
    }

    fn sum(&self, value: &dyn Fn(&str) -> f64) -> String {
        let parts: Vec<String> = self
            .weights
            .iter()
            .filter(|(_, weight)| *weight > 0.0)
            .map(|(name, weight)| {
                if self.weights.len() == 1 {
                    format!("{name} {}", short(value(name)))
                } else {
                    format!("{name} {} × {weight}", short(value(name)))
                }
            })
            .collect();
        parts.join(", ")
    }

    fn verdict(
        &self,
        score: f64,
        cause: Option<Cause>,
        metrics: Vec<(String, Metric)>,
        because: String,
    ) -> Reward {
        let cause_word = cause.map_or(String::new(), |cause| format!(" ({})", cause.word()));
        let (passed, wanted) = match self.wanted {
            Wanted::AtLeast(least) => (
                score >= least - EPSILON,
                format!("at least {least} is wanted"),
            ),
            Wanted::AtMost(most, None) => {
                (score <= most + EPSILON, format!("at most {most} is wanted"))
            }
            Wanted::AtMost(most, Some(wanted)) => {
                let as_caused = cause.is_none_or(|cause| cause == wanted);
                (
                    score <= most + EPSILON && as_caused,
                    format!(
                        "at most {most} is wanted, with the cause `{}`",
                        wanted.word()
                    ),
                )
            }
        };
        Reward {
            score,
            passed,
            cause,
            judged: None,
            metrics,
            reason: format!("score {}{cause_word}: {because}; {wanted}", short(score)),
        }
    }
}

/// A score as people read it.
fn short(score: f64) -> String {
    let text = format!("{score:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{ScoreRule, Wanted};
    use crate::reward::{Cause, Metric};

    fn pairs(list: &[(&str, f64)]) -> Vec<(String, f64)> {
        let pairs = list
            .iter()
            .map(|(name, number)| ((*name).to_owned(), *number));
        pairs.collect()
    }

    fn metrics(scores: &[(&str, f64)]) -> Vec<(String, Metric)> {
        let metric = |score: f64| Metric {
            score,
            ..Metric::of(score >= 1.0, "")
        };
        let metrics = scores
            .iter()
            .map(|(name, score)| ((*name).to_owned(), metric(*score)));
        metrics.collect()
    }

    fn rule(weights: &[(&str, f64)], gates: &[(&str, f64)], wanted: Wanted) -> ScoreRule {
        ScoreRule {
            weights: pairs(weights),
            gates: pairs(gates),
            wanted,
        }
    }

    #[test]
    fn weights_are_normalised_and_gates_take_all() {
        type Numbers<'a> = &'a [(&'a str, f64)];
        let table: &[(Numbers<'_>, Numbers<'_>, Numbers<'_>, f64)] = &[
            (&[("a", 1.0)], &[], &[("a", 0.25)], 0.25),
            (
                &[("a", 3.0), ("b", 1.0)],
                &[],
                &[("a", 1.0), ("b", 0.0)],
                0.75,
            ),
            (
                &[("a", 30.0), ("b", 10.0)],
                &[],
                &[("a", 1.0), ("b", 0.0)],
                0.75,
            ),
            (
                &[("a", 1.0), ("b", 0.0)],
                &[],
                &[("a", 1.0), ("b", 0.0)],
                1.0,
            ),
            // Ten tenths are not quite 1.
            (
                &[("a", 0.1), ("b", 0.2), ("c", 0.7)],
                &[],
                &[("a", 1.0), ("b", 1.0), ("c", 1.0)],
                1.0,
            ),
            // What was not measured is 0.
            (&[("a", 1.0), ("b", 1.0)], &[], &[("a", 1.0)], 0.5),
            (&[("a", 1.0)], &[("b", 1.0)], &[("a", 1.0)], 0.0),
            (&[("a", 1.0)], &[("b", 0.5)], &[("a", 1.0), ("b", 0.5)], 1.0),
            (
                &[("a", 1.0)],
                &[("b", 0.5)],
                &[("a", 1.0), ("b", 0.49)],
                0.0,
            ),
            (&[("a", 1.0)], &[("b", 0.0)], &[("a", 1.0), ("b", 0.0)], 1.0),
        ];
        for (weights, gates, scores, score) in table {
            let reward = rule(weights, gates, Wanted::AtLeast(1.0)).reward(metrics(scores), None);
            assert!(
                (reward.score - score).abs() < 1e-12,
                "{weights:?} {gates:?} {scores:?}: {reward:?}"
            );
            assert_eq!(reward.cause.is_some(), *score <= 0.0, "{reward:?}");
        }
    }

    #[test]
    fn a_zero_has_one_cause() {
        let gates = [("execution_result", 1.0), ("short", 1.0)];
        for (ran, output, short, trouble, cause) in [
            (1.0, 1.0, 1.0, None, None),
            (1.0, 0.5, 1.0, Some(Cause::Error), None),
            (1.0, 0.0, 1.0, None, Some(Cause::Wrong)),
            (1.0, 0.0, 1.0, Some(Cause::Error), Some(Cause::Error)),
            (1.0, 0.5, 0.0, None, Some(Cause::Gate)),
            // Some inputs failed, and that is not why nothing is left.
            (1.0, 0.5, 0.0, Some(Cause::Timeout), Some(Cause::Gate)),
            (1.0, 0.0, 0.0, None, Some(Cause::Wrong)),
            (0.0, 1.0, 1.0, Some(Cause::Memory), Some(Cause::Memory)),
            (0.0, 1.0, 0.0, Some(Cause::Timeout), Some(Cause::Timeout)),
            (0.0, 1.0, 1.0, None, Some(Cause::Wrong)),
        ] {
            let scores = [
                ("execution_result", ran),
                ("output_match", output),
                ("short", short),
            ];
            let mut gates = gates;
            for _ in 0..2 {
                let rule = rule(&[("output_match", 1.0)], &gates, Wanted::AtLeast(1.0));
                let reward = rule.reward(metrics(&scores), trouble);
                assert_eq!(reward.cause, cause, "{scores:?} {trouble:?} {gates:?}");
                // The order of gates decides nothing.
                gates.reverse();
            }
        }
    }

    #[test]
    fn a_case_is_as_wanted_by_its_bound_and_cause() {
        for (wanted, score, trouble, passed) in [
            (Wanted::AtLeast(1.0), 1.0, None, true),
            (Wanted::AtLeast(0.8), 0.8, None, true),
            (Wanted::AtLeast(0.8), 0.79, None, false),
            (Wanted::AtLeast(0.0), 0.0, None, true),
            (Wanted::AtMost(0.5, None), 0.5, None, true),
            (Wanted::AtMost(0.5, None), 0.51, None, false),
            (
                Wanted::AtMost(0.0, Some(Cause::Timeout)),
                0.0,
                Some(Cause::Timeout),
                true,
            ),
            (
                Wanted::AtMost(0.0, Some(Cause::Timeout)),
                0.0,
                Some(Cause::Error),
                false,
            ),
            (Wanted::AtMost(0.0, Some(Cause::Wrong)), 0.0, None, true),
        ] {
            let reward = rule(&[("a", 1.0)], &[], wanted).reward(metrics(&[("a", score)]), trouble);
            assert_eq!(reward.passed, passed, "{wanted:?} {score}: {reward:?}");
        }
    }
}
