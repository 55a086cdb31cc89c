//! Small meanings: limits laid over defaults, regular expressions with the place of a mistake.

use std::ops::Range;

use regex::Regex;

use crate::program::Limits;
use crate::syntax::suite::LimitsSpec;

/// `base` with what the author sets.
pub(super) fn limits(base: Limits, written: &LimitsSpec) -> Limits {
    Limits {
        memory: written.memory.map_or(base.memory, |size| size.0),
        cpu: written.cpu.map_or(base.cpu, |time| time.0),
        output: written.output.map_or(base.output, |size| size.0),
        processes: written.processes.map_or(base.processes, u64::from),
        disk: written.disk.map_or(base.disk, |size| size.0),
        inodes: written.inodes.map_or(base.inodes, u64::from),
        open_files: written.open_files.map_or(base.open_files, u64::from),
        build: written.build.map_or(base.build, |time| time.0),
        wall: base.wall,
    }
}

/// Compiles a regular expression.
///
/// # Errors
/// What is wrong, and the bytes of the pattern that are meant.
pub(super) fn regex(pattern: &str) -> Result<Regex, (String, Option<Range<usize>>)> {
    Regex::new(pattern).map_err(|error| {
        let (what, at) = match regex_syntax::Parser::new().parse(pattern) {
            Err(regex_syntax::Error::Parse(error)) => (
                error.kind().to_string(),
                Some(error.span().start.offset..error.span().end.offset),
            ),
            Err(regex_syntax::Error::Translate(error)) => (
                error.kind().to_string(),
                Some(error.span().start.offset..error.span().end.offset),
            ),
            _ => (error.to_string(), None),
        };
        (format!("not a regular expression: {what}"), at)
    })
}
