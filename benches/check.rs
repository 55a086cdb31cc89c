//! What `check` of a large suite costs beside a bare parse of the same file, and what `list` costs.
//!
//! `cargo bench --bench check -- --cases 100000 --rounds 5` are its defaults. Every measurement is a
//! process of its own, this one again, so that its peak of memory is its own; the two are timed in turns.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that fails says so, and prints what it found"
)]

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// `check` may take this many times what a bare parse takes.
const RATIO_MAX: f64 = 3.0;
/// Cases, or rows, that are listed.
const LISTED: usize = 10_000;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    match words.get(1).map(String::as_str) {
        Some("bare") => measured(|| bare(Path::new(&words[2]))),
        Some("check" | "list") => measured(rewardspec::cli::main),
        _ => compare(&words),
    }
}

fn compare(words: &[String]) -> ExitCode {
    let number = |flag: &str, otherwise: usize| {
        let at = words.iter().position(|word| word == flag);
        at.and_then(|at| words.get(at + 1)?.parse().ok())
            .unwrap_or(otherwise)
    };
    let rounds = number("--rounds", 5);
    let directory = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let cases = number("--cases", 100_000);
    let text = suite(cases);
    let file = written("large.yaml", &text);
    println!("{cases} cases, {} MB", text.len() / 1_000_000);
    let found = in_turns(rounds, &[["bare", &file], ["check", &file]]);
    let ratio = found[1] / found[0];
    println!("check / bare: {ratio:.2} (at most {RATIO_MAX})");

    let listed = written("cases.yaml", &suite(LISTED));
    written("rows.jsonl", &rows(LISTED));
    let of_rows = written("dataset.yaml", DATASET);
    in_turns(rounds, &[["list", &listed], ["list", &of_rows]]);
    if ratio > RATIO_MAX {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Medians of the seconds that each takes, told with the medians of their peaks of memory.
fn in_turns(rounds: usize, measurements: &[[&str; 2]]) -> Vec<f64> {
    let mut found = vec![(Vec::new(), Vec::new()); measurements.len()];
    for _ in 0..rounds {
        for (measurement, (seconds, peaks)) in measurements.iter().zip(&mut found) {
            let (took, peak) = measure(measurement);
            seconds.push(took);
            peaks.push(peak);
        }
    }
    let medians = measurements.iter().zip(found);
    medians
        .map(|([what, file], (seconds, peaks))| {
            let (seconds, peak) = (median(seconds), median(peaks));
            let name = Path::new(file).file_name().unwrap().display();
            println!("{what:>6} {name}: {seconds:.3} s, {peak:.0} MiB");
            seconds
        })
        .collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds and MiB of a measurement, made by this program as a process of its own.
fn measure(words: &[&str]) -> (f64, f64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(words)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {told}");
    // After what the command itself says.
    let last = told.lines().last().unwrap();
    let mut numbers = last.split_whitespace().map(|word| word.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Does what is measured and says on standard error what it took.
fn measured(what: impl FnOnce() -> ExitCode) -> ExitCode {
    let started = Instant::now();
    let exit = what();
    let seconds = started.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.split("VmHWM:").nth(1).unwrap();
    let kib: f64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    eprintln!("{seconds} {}", kib / 1024.0);
    exit
}

/// The file as the YAML crate reads it, with limits that let it through.
fn bare(file: &Path) -> ExitCode {
    let text = std::fs::read_to_string(file).unwrap();
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
        },
    };
    let value: serde_json::Value = serde_yaml::from_str_with_options(&text, options).unwrap();
    // What freeing the values takes is no part of parsing.
    std::mem::forget(value);
    ExitCode::SUCCESS
}

/// A suite of small cases.
fn suite(cases: usize) -> String {
    let mut text = String::from(
        "name: Sums\nvars: {language_name: Python}\ntimeout: 5\nlimits: {memory: 256MB}\ncases:\n",
    );
    for number in 0..cases {
        let sum = number + 7;
        write!(
            text,
            "  - name: sum-{number}
    prompt: |
      Write a program that reads a number and prints
      its sum with {number}.
    reply: |
      The number is read from standard input:

      ```python
      n = int(input())
      print(n + {number})
      ```
    stdin: \"7\\n\"
    expect: {{output: {sum}}}
"
        )
        .unwrap();
    }
    text
}

const DATASET: &str = "\
dataset: {file: rows.jsonl, name: '{{ row.name }}'}
prompt: '{{ row.prompt }}'
reply: {expr: row.reply}
expect: {output: {expr: row.sum}}
";

fn rows(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let row = serde_json::json!({
            "name": format!("sum-{number}"),
            "prompt": format!("Write a program that prints the sum of 7 and {number}."),
            "reply": format!("```python\nprint(7 + {number})\n```\n"),
            "sum": number + 7,
        });
        writeln!(text, "{row}").unwrap();
    }
    text
}
