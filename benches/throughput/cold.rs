//! Cold starts of an interpreter that nothing isolates, and where interpreters are.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::AT_ONCE;
use crate::measure::{Measured, timed};

/// One start.
pub(crate) struct Start {
    pub arguments: Vec<OsString>,
    /// Its standard input; empty without one.
    pub stdin: Option<PathBuf>,
    pub expected: String,
}

/// Starts that say all they should and nothing on standard error, with no environment.
pub(crate) fn grade(interpreter: &Path, starts: &[Start]) -> Result<Measured, String> {
    let next = AtomicUsize::new(0);
    timed(starts.len(), || {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE)
                .map(|_| scope.spawn(|| work(interpreter, starts, &next)))
                .collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap())
        })
    })
}

fn work(interpreter: &Path, starts: &[Start], next: &AtomicUsize) -> Result<(), String> {
    while let Some(start) = starts.get(next.fetch_add(1, Ordering::Relaxed)) {
        let stdin = match &start.stdin {
            Some(path) => File::open(path).unwrap().into(),
            None => Stdio::null(),
        };
        let output = Command::new(interpreter)
            .args(&start.arguments)
            .env_clear()
            .stdin(stdin)
            .output()
            .map_err(|error| format!("{}: {error}", interpreter.display()))?;
        let is_right = output.status.success()
            && output.stderr.is_empty()
            && String::from_utf8_lossy(&output.stdout).trim() == start.expected;
        if !is_right {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{:?} is wrong: {told}", start.arguments));
        }
    }
    Ok(())
}

/// The interpreter itself, not what a version manager puts before it.
pub(crate) fn locate(command: &str, arguments: &[&str]) -> Result<PathBuf, String> {
    let output = Command::new(command)
        .args(arguments)
        .output()
        .map_err(|error| format!("{command}: {error}"))?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if path.is_empty() {
        return Err(format!(
            "{command}: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    Ok(path.into())
}
