//! What must have come of an attempt.

use std::path::Path;

use serde_json::Value;

use crate::machine;
use crate::rows::Attempt;
use crate::setup::Seen;

/// Statuses that a verdict of the corpus can have here.
fn statuses(verdict: &str) -> &'static [&'static str] {
    match verdict {
        "timeout" => &["timeout"],
        "memory" => &["memory_limit"],
        "output_limit" => &["output_limit"],
        "pid_limit" | "runtime_error" => &["process_limit", "runtime_error", "killed"],
        "disk_limit" | "killed_by_seccomp" => &["runtime_error", "killed"],
        "ok_contained" | "pass" | "ok" => &["ok"],
        _ => &[],
    }
}

/// Everything that is not as it must be.
pub(crate) fn wrong(attempt: &Attempt, result: &Value, seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(score) = result["score"].as_f64() else {
        return vec![format!("no score: {}", result["error"])];
    };
    let execution = &result["execution"];
    let status = execution["status"].as_str().unwrap_or_default();
    let verdicts = attempt.texts("expected_verdicts");
    let is_wanted = verdicts.iter().any(|verdict| {
        *verdict == "score_zero" && score == 0.0 || statuses(verdict).contains(&status)
    });
    if !is_wanted {
        let reason = &execution["reason"];
        wrong.push(format!(
            "score {score}, not 0 or one of {verdicts:?}: {status} ({reason})"
        ));
    }
    if let Some(wanted) = attempt.detect("score").and_then(Value::as_u64)
        && (score >= 1.0) != (wanted == 1)
    {
        wrong.push(format!("score {score}, not {wanted}"));
    }
    let limit = attempt.detect("max_wall_s").and_then(Value::as_f64);
    let seconds = execution["wall_ms"].as_f64().unwrap_or(0.0) / 1000.0;
    // 0.5 s beyond the limit are in it; a machine with other work gets 1.5 more.
    if limit.is_some_and(|limit| seconds > limit + 1.5) {
        wrong.push(format!("it took {seconds} s"));
    }
    let limit = attempt.detect("max_host_rss_mb").and_then(Value::as_f64);
    let mebibytes = execution["peak_rss_kib"].as_f64().unwrap_or(0.0) / 1024.0;
    if limit.is_some_and(|limit| mebibytes > limit) {
        wrong.push(format!("it had {mebibytes} MiB"));
    }
    let [stdout, stderr] =
        ["stdout", "stderr"].map(|stream| execution[stream].as_str().unwrap_or_default());
    for text in attempt.texts("stdout_must_not_contain") {
        if stdout.contains(text) || stderr.contains(text) {
            wrong.push(format!("it printed `{text}`: {stdout}"));
        }
    }
    for text in attempt.texts("stdout_must_contain") {
        if !stdout.contains(text) {
            wrong.push(format!("it did not print `{text}`"));
        }
    }
    // JSON escapes control characters: a terminal that shows the line is not spoken to.
    let line = result.to_string();
    for text in attempt.texts("console_must_not_contain_raw") {
        if line.contains(text) {
            wrong.push(format!("{text:?} stands raw in the result"));
        }
    }
    let most = attempt.detect("max_output_bytes").and_then(Value::as_u64);
    if most.is_some_and(|most| (stdout.len() as u64).max(stderr.len() as u64) > most) {
        wrong.push(format!("{} bytes of output were kept", stdout.len()));
    }
    for path in attempt.texts("host_file_absent") {
        if Path::new(path).exists() {
            wrong.push(format!("{path} is there"));
        }
    }
    for path in attempt.texts("host_file_present") {
        if !Path::new(path).exists() {
            wrong.push(format!("{path} is gone"));
        }
    }
    for pattern in attempt.texts("host_glob_absent") {
        let found = machine::matching(pattern);
        if !found.is_empty() {
            wrong.push(format!("{found:?} are there"));
        }
    }
    for word in attempt.texts("no_process_matching") {
        if machine::is_named(word) {
            wrong.push(format!("a process named {word} lives"));
        }
    }
    for key in ["no_connection_ports", "no_datagram_ports"] {
        let ports = attempt.detect(key).and_then(Value::as_array);
        for port in ports.into_iter().flatten().filter_map(Value::as_u64) {
            if seen.ports.iter().any(|seen| u64::from(*seen) == port) {
                wrong.push(format!("port {port} was reached"));
            }
        }
    }
    if attempt.detect("no_unix_connection").is_some() && seen.unix {
        wrong.push("a local socket was reached".to_owned());
    }
    if let Some(port) = attempt
        .detect("host_connect_must_fail")
        .and_then(Value::as_u64)
        && seen.open.iter().any(|open| u64::from(*open) == port)
    {
        wrong.push(format!("the program's port {port} could be reached"));
    }
    wrong
}
