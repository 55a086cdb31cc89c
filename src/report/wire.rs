//! The JSON object of an outcome: what `run --format jsonl` and `score` write.
//!
//! Public and stable: fields may be added, none is renamed.

use serde_json::{Map, Value, json};

use crate::execution::{Execution, Status};
use crate::reward::{Fault, Reward};
use crate::run::Outcome;

/// An outcome as an object; `id` is echoed as it came.
pub fn outcome(id: Value, outcome: &Outcome) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("id".to_owned(), id);
    if let Some(sample) = outcome.sample {
        object.insert("sample".to_owned(), sample.into());
    }
    match &outcome.result {
        Ok(reward) => put_reward(&mut object, reward),
        Err(fault) => put_fault(&mut object, fault, None),
    }
    if let Some(execution) = shown(&outcome.executions) {
        object.insert("execution".to_owned(), execution.to_json());
    }
    object
}

/// A row that could not be scored.
pub fn fault(id: Value, line: usize, fault: &Fault) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("id".to_owned(), id);
    put_fault(&mut object, fault, Some(line));
    object
}

/// The execution that says most: the first that did not end well, else the last.
pub fn shown(executions: &[Execution]) -> Option<&Execution> {
    executions
        .iter()
        .find(|execution| execution.status != Status::Ok)
        .or(executions.last())
}

fn put_reward(object: &mut Map<String, Value>, reward: &Reward) {
    object.insert("score".to_owned(), json!(reward.score));
    object.insert("passed".to_owned(), reward.passed.into());
    if let Some(cause) = reward.cause {
        object.insert("cause".to_owned(), cause.word().into());
    }
    if let Some(judged) = reward.judged {
        object.insert("judged".to_owned(), judged.word().into());
    }
    let metrics: Map<String, Value> = reward
        .metrics
        .iter()
        .map(|(name, metric)| {
            (
                name.clone(),
                json!({"score": metric.score, "success": metric.success, "reason": metric.reason}),
            )
        })
        .collect();
    object.insert("metrics".to_owned(), metrics.into());
}

fn put_fault(object: &mut Map<String, Value>, fault: &Fault, line: Option<usize>) {
    object.insert("score".to_owned(), Value::Null);
    let mut error = Map::new();
    error.insert("kind".to_owned(), json!(fault.kind));
    error.insert("message".to_owned(), fault.message.as_str().into());
    if let Some(line) = line {
        error.insert("line".to_owned(), line.into());
    }
    object.insert("error".to_owned(), error.into());
}
