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
        let cause = (score <= 0.0).then(|| match (trouble, closed) {
            (Some(cause), _) => cause,
            // The gate took what there was.
            (None, Some((gate, _))) if gate != "execution_result" && open > 0.0 => Cause::Gate,
            (None, _) => Cause::Wrong,
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
