//! The streams of the real interpreter: what our client makes of each is what the official SDK makes
//! of it.

use rewardspec::e2b::{ExecuteOptions, NewSandbox, Sandbox, Transcript};
use serde_json::{Value, json};

use super::{client, data, emulator, recording, recordings, runtime};
use crate::emulator::Options;

/// A sandbox that answers from a recording.
pub(super) async fn replaying(address: impl std::fmt::Display, name: &str) -> Sandbox {
    let mut order = NewSandbox::new("code-interpreter-v1", std::time::Duration::from_secs(60));
    order.metadata.insert("replay".to_owned(), name.to_owned());
    client(address).create(&order).await.unwrap()
}

/// The options and the code of a recorded execution.
pub(super) fn asked(step: &Value) -> (&str, ExecuteOptions) {
    let body = &step["request"]["body"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let variables = body["env_vars"].as_object().into_iter().flatten();
    let options = ExecuteOptions {
        context: text(&body["context_id"]),
        language: text(&body["language"]),
        environment: variables
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
    };
    (body["code"].as_str().unwrap_or_default(), options)
}

#[test]
fn each_is_read_as_the_official_sdk_reads_it() {
    let wanted = recording("real-sdk.json");
    let mut count = 0;
    runtime().block_on(async {
        let options = Options {
            recordings: Some(data("real")),
            ..Options::default()
        };
        let emulator = emulator(options).await;
        for (name, recording) in recordings("real") {
            let sandbox = replaying(emulator.address(), &name).await;
            let whole = recording["steps"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|step| {
                    step["request"]["path"] == "/execute"
                        && step["response"]["ended"] == "eof"
                        && step["response"]["status"] == 200
                });
            for (index, step) in whole.enumerate() {
                let (code, options) = asked(step);
                let executing = sandbox.execute(code, &options).await.unwrap();
                let found = told(&executing.collect().await.unwrap());
                assert_eq!(found, wanted[&name][index], "{name}, execution {index}");
                count += 1;
            }
        }
        emulator.stop().await;
    });
    println!("{count} recorded streams read as the SDK reads them");
    let all: usize = wanted
        .as_object()
        .unwrap()
        .values()
        .map(|executions| executions.as_array().unwrap().len())
        .sum();
    assert_eq!(count, all);
}

/// The same form as `.ci/e2b/replay.py` gives it.
fn told(transcript: &Transcript) -> Value {
    let mut value = serde_json::to_value(transcript).unwrap();
    for result in value["results"].as_array_mut().unwrap() {
        result.as_object_mut().unwrap().remove("chart");
    }
    short(value)
}

/// Long texts by their length and both ends.
fn short(value: Value) -> Value {
    const LONG: usize = 2000;
    match value {
        Value::String(text) => {
            let letters: Vec<char> = text.chars().collect();
            if letters.len() <= LONG {
                return Value::String(text);
            }
            let part = |range: std::ops::Range<usize>| letters[range].iter().collect::<String>();
            let length = letters.len();
            json!({"length": length, "begin": part(0..100), "end": part(length - 100..length)})
        }
        Value::Array(values) => values.into_iter().map(short).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(name, value)| (name, short(value)))
            .collect(),
        other => other,
    }
}
