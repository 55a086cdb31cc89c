//! What the parts cost that run nothing: finding code and stated outputs, comparing, rendering, scoring.
//!
//! `cargo bench --bench pure` measures all; a word after `--` chooses by name. Texts are the labelled ones
//! of `tests/data` and HumanEval, all of them in each iteration, so that what is told is texts a second.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a measurement that fails says so; the macros make items without words"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rewardspec::compile::{Row, RuleSet};
use rewardspec::evaluator::compare::Params;
use rewardspec::evaluator::{Evaluator, Known, Nonce, Reply, Step};
use rewardspec::execution::{Captured, Execution, Isolation, JobResult, Status};
use rewardspec::project::Project;
use serde::de::DeserializeOwned;
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const HUMANEVAL: &str = "suites/data/humaneval/humaneval.jsonl";

criterion_group! {
    name = pure;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .sample_size(20);
    targets = extraction, stated, comparison, rendering, scoring
}
criterion_main!(pure);

fn project() -> (Project, Arc<RuleSet>) {
    let mut project = Project::open(Path::new(ROOT));
    let rules = project.rules();
    (project, rules)
}

fn rows<T: DeserializeOwned>(file: &str) -> Vec<T> {
    let text = std::fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    rows.collect()
}

/// One iteration is `each` of every text.
fn measure<T>(criterion: &mut Criterion, name: &str, texts: &[T], mut each: impl FnMut(&T)) {
    let mut group = criterion.benchmark_group("pure");
    group.throughput(Throughput::Elements(texts.len() as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| texts.iter().for_each(&mut each));
    });
    group.finish();
}

fn extraction(criterion: &mut Criterion) {
    let (_, rules) = project();
    let (extractor, known) = (rules.extractor("standard").unwrap(), rules.tags());
    let mut replies: Vec<Value> = rows("tests/data/extraction.jsonl");
    replies.retain(|row| row["language"].is_string());
    measure(criterion, "code of a reply", &replies, |row| {
        let language = rules.language(row["language"].as_str().unwrap()).unwrap();
        let reply = row["reply"].as_str().unwrap();
        black_box(extractor.extract(reply, &language.tags, &known));
    });
}

fn stated(criterion: &mut Criterion) {
    let (_, rules) = project();
    let extractor = rules.expected("standard").unwrap();
    let prompts: Vec<Value> = rows("tests/data/expected-output.jsonl");
    measure(criterion, "output that a prompt states", &prompts, |row| {
        black_box(extractor.find(row["prompt"].as_str().unwrap()));
    });
}

fn comparison(criterion: &mut Criterion) {
    let (_, rules) = project();
    let pairs: Vec<Value> = rows("tests/data/comparison.jsonl");
    let pairs: Vec<_> = pairs
        .iter()
        .map(|row| {
            let comparator = rules.comparator(row["comparator"].as_str().unwrap());
            let params: Params = serde_json::from_value(row["params"].clone()).unwrap();
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            let comparator = comparator.unwrap().with(&params).unwrap();
            (comparator, text("actual"), text("expected"))
        })
        .collect();
    measure(
        criterion,
        "two outputs",
        &pairs,
        |(comparator, actual, expected)| {
            black_box(comparator.compare(actual, expected).unwrap());
        },
    );
}

fn rendering(criterion: &mut Criterion) {
    let (mut project, _) = project();
    let plan = project.suite(&Path::new(ROOT).join("suites/humaneval.yaml"));
    let plan = plan.unwrap();
    let columns: Vec<serde_json::Map<String, Value>> = rows(HUMANEVAL);
    let rows: Vec<Row> = columns
        .into_iter()
        .enumerate()
        .map(|(number, columns)| Row {
            file: HUMANEVAL.to_owned(),
            line: number + 1,
            column: 1,
            number: number + 1,
            columns,
        })
        .collect();
    let evaluator = |row: &Row| {
        plan.cases[0]
            .evaluator(Some(row), &project.sources)
            .unwrap()
    };
    measure(criterion, "evaluator of a row", &rows, |row| {
        black_box(evaluator(row));
    });
    let attempts: Vec<(Evaluator, Reply)> = rows
        .iter()
        .map(|row| {
            let reply = row.columns["canonical_solution"].as_str().unwrap();
            (evaluator(row), Reply::Text(reply.to_owned()))
        })
        .collect();
    measure(
        criterion,
        "job of a reply with tests",
        &attempts,
        |(evaluator, reply)| {
            black_box(evaluator.attempt(reply, Nonce(String::new())).unwrap());
        },
    );
}

fn scoring(criterion: &mut Criterion) {
    let (mut project, _) = project();
    let keys = serde_json::json!({"expect": {"output": "5"}, "timeout": 5});
    let keys = keys.as_object().unwrap();
    measure(
        criterion,
        "evaluator of a row's own keys",
        &[keys],
        |keys| {
            black_box(project.inline(keys).unwrap());
        },
    );
    let evaluator = project.inline(keys).unwrap();
    let reply = Reply::Text("The sum:\n\n```python\nprint(2 + 3)\n```\n".to_owned());
    let known = Known {
        result: Some(JobResult {
            build: None,
            runs: vec![ended("5\n")],
        }),
        ..Known::default()
    };
    measure(criterion, "reward of a reply", &[reply], |reply| {
        let attempt = evaluator.attempt(reply, Nonce(String::new())).unwrap();
        let step = evaluator.step(&attempt, &known).unwrap();
        assert!(matches!(step, Step::Done(reward) if reward.score == 1.0));
    });
}

/// A program that printed this and ended well.
fn ended(stdout: &str) -> Execution {
    Execution {
        status: Status::Ok,
        reason: None,
        exit_code: Some(0),
        signal: None,
        stdout: Captured {
            text: stdout.to_owned(),
            ..Captured::default()
        },
        stderr: Captured::default(),
        private: Vec::new(),
        judge: None,
        files: Vec::new(),
        wall: Duration::from_millis(3),
        cpu: Duration::from_millis(3),
        peak_memory: 0,
        backend: "local".to_owned(),
        isolation: Isolation::Full,
    }
}
