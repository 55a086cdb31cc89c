//! From what was written to what is meant; pure.
//!
//! Rule packs become a [`RuleSet`], suites a [`SuitePlan`] of cases. Everything wrong is collected;
//! `check` and `list` end here. A dataset's row becomes an evaluator when it is run.

mod cases;
mod dataset;
mod examples;
mod expectations;
mod later;
mod matrix;
mod merge;
mod per_row;
mod place;
mod plan;
mod prompt;
mod render;
mod rules;
mod score;
mod tests;
mod validate;
mod values;
mod warn;

pub use cases::{compile_inline, compile_suite};
pub use dataset::{DataFile, DatasetPlan, Row, SamplesPlan};
pub use examples::{ExampleCheck, RuleExample, rule_examples};
pub use plan::{CasePlan, Requirement, SuitePlan, Uses};
pub use rules::{RuleSet, UnknownName, compile_rules};
pub use warn::{later as later_warnings, nothing_bad, pack as pack_warnings, unused_rules};

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The content of files that suites and rules name, read beforehand: compiling does no I/O.
pub type Files = BTreeMap<PathBuf, Result<Vec<u8>, String>>;

/// The path that `written` means in a file of `directory`, without `.` and `..`.
pub fn resolve_path(directory: &Path, written: &str) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in directory.join(written).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if resolved.file_name().is_some() => {
                resolved.pop();
            }
            other => resolved.push(other),
        }
    }
    resolved
}
