//! Small meanings: limits laid over defaults, regular expressions with the place of a mistake.

use std::ops::Range;

use crate::evaluator::{LazyRegex, ReadPattern};

use crate::diagnostic::Diagnostic;
use crate::evaluator::rule_error::RuleError;
use crate::program::{CloudMode, Limits};
use crate::source::{Span, Spanned};
use crate::syntax::suite::{CloudModeName, LimitsSpec};
use crate::syntax::value::Size;

/// Below these no program starts at all.
const MEMORY_MIN: u64 = 16 << 20;
const OUTPUT_MIN: u64 = 1;
const DISK_MIN: u64 = 64 << 10;
const PROCESSES_MIN: u32 = 1;
const INODES_MIN: u32 = 16;
const OPEN_FILES_MIN: u32 = 16;

/// `base` with what the author sets.
pub(super) fn limits(base: Limits, written: &LimitsSpec) -> Limits {
    let bytes = |size: &Option<Spanned<Size>>| size.as_ref().map(|size| size.value.0);
    let count = |count: &Option<Spanned<u32>>| count.as_ref().map(|count| u64::from(count.value));
    Limits {
        memory: bytes(&written.memory).unwrap_or(base.memory),
        cpu: written.cpu.map_or(base.cpu, |time| time.0),
        output: bytes(&written.output).unwrap_or(base.output),
        processes: count(&written.processes).unwrap_or(base.processes),
        disk: bytes(&written.disk).unwrap_or(base.disk),
        inodes: count(&written.inodes).unwrap_or(base.inodes),
        open_files: count(&written.open_files).unwrap_or(base.open_files),
        build: written.build.map_or(base.build, |time| time.0),
        wall: base.wall,
    }
}

/// Limits that no program could live with.
pub(super) fn too_low(written: &LimitsSpec) -> Vec<Diagnostic> {
    let size = |name: &str, size: &Option<Spanned<Size>>, least: u64| {
        let size = size.as_ref().filter(|size| size.value.0 < least)?;
        let least = match least {
            0..=1023 => format!("{least} B"),
            1024..=0xf_ffff => format!("{}KiB", least >> 10),
            _ => format!("{}MiB", least >> 20),
        };
        Some(low(name, size.span, &least))
    };
    let count = |name: &str, count: &Option<Spanned<u32>>, least: u32| {
        let count = count.as_ref().filter(|count| count.value < least)?;
        Some(low(name, count.span, &least.to_string()))
    };
    [
        size("memory", &written.memory, MEMORY_MIN),
        size("output", &written.output, OUTPUT_MIN),
        size("disk", &written.disk, DISK_MIN),
        count("processes", &written.processes, PROCESSES_MIN),
        count("inodes", &written.inodes, INODES_MIN),
        count("open_files", &written.open_files, OPEN_FILES_MIN),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn low(name: &str, span: Span, least: &str) -> Diagnostic {
    Diagnostic::at(
        span,
        format!("no program starts with so little: `{name}` is at least {least}"),
    )
}

/// How code is executed in the cloud.
pub(super) fn cloud_mode(written: CloudModeName) -> CloudMode {
    match written {
        CloudModeName::Script => CloudMode::Script,
        CloudModeName::Notebook => CloudMode::Notebook,
    }
}

/// Compiles a regular expression.
///
/// # Errors
/// What is wrong, and the bytes of the pattern that are meant.
pub(super) fn regex(
    pattern: &str,
    read: ReadPattern,
) -> Result<LazyRegex, (String, Option<Range<usize>>)> {
    read(pattern).map_err(|error| {
        let error = RuleError::of_pattern(pattern, &error, &[]);
        (error.message, error.at)
    })
}
