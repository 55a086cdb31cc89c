//! The end of a run: a table of suites, and the lines that every report for people has.

use std::fmt::Write as _;

use super::{SuiteCounts, Summary};
use crate::escape::visible_line;
use crate::run::Judgement;

const HEAD: [&str; 5] = ["suite", "cases", "passed", "errors", "mean score"];

impl SuiteCounts {
    fn cells(&self, name: &str) -> [String; 5] {
        let mean = self.mean();
        [
            visible_line(name),
            self.cases.to_string(),
            self.passed.to_string(),
            self.errors.to_string(),
            mean.map_or("-".to_owned(), |mean| format!("{mean:.3}")),
        ]
    }
}

/// The suites as plain text; empty without any.
pub(super) fn text(summary: &Summary) -> String {
    if summary.suites.is_empty() {
        return String::new();
    }
    let names = summary.suites.keys().map(|name| name.chars().count());
    let width = names.max().unwrap_or(0).max(HEAD[0].len());
    let row = |[suite, cases, passed, errors, mean]: [&str; 5]| {
        format!("{suite:<width$}  {cases:>6}  {passed:>6}  {errors:>6}  {mean:>10}\n")
    };
    let mut text = row(HEAD);
    for (name, counts) in &summary.suites {
        text.push_str(&row(counts.cells(name).each_ref().map(String::as_str)));
    }
    text
}

/// The run in Markdown.
pub(super) fn markdown(summary: &Summary) -> String {
    let mut text = String::from("### rewardspec\n\n");
    if !summary.suites.is_empty() {
        let _ = writeln!(text, "| {} |\n|---|--:|--:|--:|--:|", HEAD.join(" | "));
        for (name, counts) in &summary.suites {
            let cells = counts.cells(name);
            let cells: Vec<String> = cells.iter().map(|cell| markdown_text(cell)).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text.push('\n');
    }
    for line in lines(summary) {
        let _ = writeln!(text, "- {}", markdown_text(&line));
    }
    text.push('\n');
    text
}

/// Text that Markdown shows as it is.
fn markdown_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in visible_line(text).chars() {
        match letter {
            '<' => shown.push_str("&lt;"),
            '&' => shown.push_str("&amp;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' | '@' => {
                // `@` and `#` would call people and issues; an entity does not.
                let _ = write!(shown, "&#{};", u32::from(letter));
            }
            _ => shown.push(letter),
        }
    }
    shown
}

/// What the run says beside the table: samples, requirements, causes, what is not run, the counts.
pub(super) fn lines(summary: &Summary) -> Vec<String> {
    let mut lines = rates(summary);
    lines.extend(requirements(summary));
    lines.extend(causes(summary));
    lines.extend(ending(summary));
    lines
}

/// What cases with several samples reach.
pub(super) fn rates(summary: &Summary) -> Vec<String> {
    let rates = summary.rates.iter();
    rates
        .map(|rates| format!("samples {}: {rates}", rates.whole))
        .collect()
}

/// What suites must reach as a whole.
pub(super) fn requirements(summary: &Summary) -> Vec<String> {
    let results = summary.requirements.iter();
    results
        .map(|result| format!("require {}: {result}", result.whole))
        .collect()
}

/// Where zeros come from.
pub(super) fn causes(summary: &Summary) -> Option<String> {
    let causes = summary.causes.iter();
    let causes: Vec<String> = causes
        .map(|(cause, count)| format!("{cause} {count}"))
        .collect();
    (!causes.is_empty()).then(|| format!("zeros by cause: {}", causes.join(", ")))
}

/// What is not run, the fingerprint, and the counts.
pub(super) fn ending(summary: &Summary) -> Vec<String> {
    let skipped = summary.skipped.iter();
    let mut lines: Vec<String> = skipped
        .map(|(reason, count)| format!("not run: {count} ({reason})"))
        .collect();
    if summary.bad_rows.count > 0 {
        lines.push(format!("not run: {}", summary.bad_rows.text()));
    }
    lines.extend(judged_beside(summary.beside));
    lines.extend(summary.notes.iter().map(|note| format!("note: {note}")));
    let fingerprint = summary.fingerprint.as_ref();
    lines.extend(fingerprint.map(|fingerprint| format!("fingerprint: {fingerprint}")));
    lines.push(counts(summary));
    lines
}

/// What is said of so many cases whose programs can forge the verdict.
pub fn judged_beside(count: usize) -> Option<String> {
    (count > 0).then(|| {
        format!(
            "judged beside: {} (a program that sets out to can forge the verdict of tests in its own interpreter)",
            cases(count)
        )
    })
}

fn cases(count: usize) -> String {
    let word = if count == 1 { "case" } else { "cases" };
    format!("{count} {word}")
}

fn counts(summary: &Summary) -> String {
    let mut parts = vec![
        format!("{} passed", summary.passed),
        format!("{} failed", summary.failed),
    ];
    for (count, what) in [
        (summary.counted, "below what their suite is judged by"),
        (summary.configuration, "with configuration errors"),
        (summary.infrastructure, "with infrastructure errors"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let missed = summary.requirements.iter();
    let missed = missed
        .filter(|result| matches!(result.judgement, Judgement::Missed(_)))
        .count();
    if missed > 0 {
        let what = if missed == 1 {
            "requirement"
        } else {
            "requirements"
        };
        parts.push(format!("{missed} {what} missed"));
    }
    if summary.interrupted {
        parts.push("interrupted".to_owned());
    }
    format!(
        "{} in {:.1} s: {}",
        cases(summary.cases),
        summary.seconds,
        parts.join(", ")
    )
}
