//! Finds interpreters: on `PATH`, then once behind a version manager's shim, which would
//! otherwise cost 0.1 to 0.2 s at every start.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use crate::program::Interpreter;

/// An interpreter of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Absolute path of the real interpreter.
    pub path: PathBuf,
    /// The first number of what it says of its version, such as `3.11.7`.
    pub version: Option<String>,
}

/// Who is to reach an interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The user of this process.
    Ours,
    /// Any user: programs run as one that owns nothing.
    Anybodys,
}

type Search = Arc<OnceLock<Result<Found, String>>>;

/// The interpreters looked for so far; each is looked for once a process.
#[derive(Debug, Default)]
pub struct Interpreters {
    searches: Mutex<HashMap<(Interpreter, Whose), Search>>,
}

impl Interpreters {
    /// Finds an interpreter. Blocks the first time: it may run the interpreter.
    ///
    /// # Errors
    /// What is missing and how to install it.
    pub fn find(&self, interpreter: &Interpreter, whose: Whose) -> Result<Found, String> {
        let search = {
            let mut searches = self
                .searches
                .lock()
                .expect("no search panics while it holds the map");
            Arc::clone(searches.entry((interpreter.clone(), whose)).or_default())
        };
        search.get_or_init(|| find(interpreter, whose)).clone()
    }
}

/// Why an interpreter is missing, and how to install it. Runs nothing, so that listing stays quick.
pub fn missing(interpreter: &Interpreter) -> Option<String> {
    on_path(&interpreter.command, Whose::Ours)
        .is_none()
        .then(|| absent(interpreter))
}

/// Where a command is found first, before a shim is looked behind.
pub fn first_on_path(interpreter: &Interpreter) -> Option<PathBuf> {
    on_path(&interpreter.command, Whose::Ours)
}

fn absent(interpreter: &Interpreter) -> String {
    let (command, language) = (&interpreter.command, &interpreter.language);
    if command.contains('/') {
        return format!("`{command}`, which runs {language}, is not there or cannot be executed");
    }
    format!(
        "`{command}`, which runs {language}, is not on PATH{}",
        to_install(interpreter)
    )
}

fn to_install(interpreter: &Interpreter) -> String {
    interpreter
        .install
        .as_ref()
        .map_or(String::new(), |install| format!("; install it: {install}"))
}

fn find(interpreter: &Interpreter, whose: Whose) -> Result<Found, String> {
    let language = &interpreter.language;
    let install = to_install(interpreter);
    let Some(on_path) = on_path(&interpreter.command, whose) else {
        if let Some(path) = on_path(&interpreter.command, Whose::Ours) {
            return Err(format!(
                "{language} programs run as a user of their own here, which cannot reach `{}`: install it where every user can, such as below /usr",
                path.display()
            ));
        }
        return Err(absent(interpreter));
    };
    let path = match interpreter.locate.as_slice() {
        [] => on_path,
        arguments => located(&on_path, arguments)
            .filter(|path| is_executable(path, whose))
            .unwrap_or(on_path),
    };
    let version = match interpreter.version.as_slice() {
        [] => None,
        arguments => said(&path, arguments).and_then(|text| version_in(&text)),
    };
    if let Some(wanted) = &interpreter.at_least {
        match &version {
            Some(version) if !is_at_least(version, wanted) => {
                return Err(format!(
                    "{language} {wanted} or newer is needed, `{}` is {version}{install}",
                    path.display()
                ));
            }
            Some(_) => {}
            None => {
                return Err(format!(
                    "`{}` does not say its version{install}",
                    path.display()
                ));
            }
        }
    }
    Ok(Found { path, version })
}

fn on_path(command: &str, whose: Whose) -> Option<PathBuf> {
    if command.contains('/') {
        return Some(PathBuf::from(command)).filter(|path| is_executable(path, whose));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(command))
        .find(|path| is_executable(path, whose))
}

fn is_executable(path: &Path, whose: Whose) -> bool {
    let is_ours = path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    is_ours
        && match whose {
            Whose::Ours => true,
            Whose::Anybodys => std::fs::canonicalize(path).is_ok_and(|real| is_anybodys(&real)),
        }
}

/// Whether every user may execute a file and pass through what leads to it.
fn is_anybodys(path: &Path) -> bool {
    path.ancestors().all(|part| {
        std::fs::metadata(part).is_ok_and(|data| data.permissions().mode() & 0o001 != 0)
    })
}

/// The path that the command prints, if it is one.
fn located(command: &Path, arguments: &[String]) -> Option<PathBuf> {
    let text = said(command, arguments)?;
    let path = PathBuf::from(text.trim());
    (path.is_absolute() && is_executable(&path, Whose::Ours)).then_some(path)
}

/// What a command prints on either stream.
fn said(command: &Path, arguments: &[impl AsRef<OsStr>]) -> Option<String> {
    let output = Command::new(command)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = if text.trim().is_empty() {
        String::from_utf8_lossy(&output.stderr).into_owned()
    } else {
        text
    };
    output.status.success().then_some(text)
}

/// The first dotted number of a text.
fn version_in(text: &str) -> Option<String> {
    let start = text.find(|letter: char| letter.is_ascii_digit())?;
    let number: String = text[start..]
        .chars()
        .take_while(|letter| letter.is_ascii_digit() || *letter == '.')
        .collect();
    Some(number.trim_end_matches('.').to_owned())
}

fn is_at_least(version: &str, wanted: &str) -> bool {
    let parts = |text: &str| {
        text.split('.')
            .map(|part| part.parse::<u64>().unwrap_or(0))
            .collect::<Vec<_>>()
    };
    parts(version) >= parts(wanted)
}

#[cfg(test)]
mod tests {
    use super::{is_at_least, version_in};

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version_in("Python 3.11.7\n").as_deref(), Some("3.11.7"));
        assert_eq!(version_in("v20.20.2").as_deref(), Some("20.20.2"));
        assert!(
            is_at_least("3.11.7", "3.9")
                && is_at_least("20", "18")
                && !is_at_least("3.8.10", "3.9")
        );
    }
}
