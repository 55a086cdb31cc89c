//! Finds interpreters: on `PATH`, then once behind a version manager's shim, which would
//! otherwise cost 0.1 to 0.2 s at every start.

use std::collections::{BTreeMap, HashMap};
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

/// Where links stand that lead to the programs chosen among alternatives.
const ALTERNATIVES: &str = "/etc/alternatives";
/// Links that are followed, as the kernel does.
const LINKS_MAX: usize = 40;

type Search = Arc<OnceLock<Result<Found, String>>>;

/// The interpreters looked for so far; each is looked for once a process.
#[derive(Debug, Default)]
pub struct Interpreters {
    searches: Mutex<HashMap<Whose, HashMap<Interpreter, Search>>>,
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
            let searches = searches.entry(whose).or_default();
            match searches.get(interpreter) {
                Some(search) => Arc::clone(search),
                None => Arc::clone(searches.entry(interpreter.clone()).or_default()),
            }
        };
        search.get_or_init(|| find(interpreter, whose)).clone()
    }

    /// What was found before; never blocks.
    pub fn known(&self, interpreter: &Interpreter, whose: Whose) -> Option<Result<Found, String>> {
        let searches = self
            .searches
            .lock()
            .expect("no search panics while it holds the map");
        searches.get(&whose)?.get(interpreter)?.get().cloned()
    }

    /// Those found so far that say their version, each command with it.
    pub fn found(&self) -> BTreeMap<String, String> {
        let searches = self
            .searches
            .lock()
            .expect("no search panics while it holds the map");
        let found = searches.values().flatten();
        let found = found.filter_map(|(interpreter, search)| {
            let version = search.get()?.as_ref().ok()?.version.clone()?;
            let name = Path::new(&interpreter.command).file_name()?;
            Some((name.to_string_lossy().into_owned(), version))
        });
        found.collect()
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
    let path = behind_alternatives(path);
    let broken = |what: String| {
        let path = path.display();
        format!("`{path}`, which runs {language}, {what}{install}")
    };
    let version = match interpreter.version.as_slice() {
        [] => None,
        arguments => match said(&path, arguments) {
            Ok(text) => version_in(&text),
            Err(Unsaid::NotStarted(error)) => {
                return Err(broken(format!("cannot be executed ({error})")));
            }
            Err(Unsaid::Failed(_)) if interpreter.at_least.is_none() => None,
            Err(Unsaid::Failed(why)) => {
                return Err(broken(format!("does not say its version ({why})")));
            }
        },
    };
    if let Some(wanted) = &interpreter.at_least {
        match &version {
            Some(version) if !is_at_least(version, wanted) => {
                let what = format!("is {version}, and {wanted} or newer is needed");
                return Err(broken(what));
            }
            Some(_) => {}
            None => return Err(broken("does not say its version".to_owned())),
        }
    }
    Ok(Found { path, version })
}

/// Where the system's administrator chose one of several programs, the chosen one: what belongs to it,
/// such as the `java` of a `javac`, lies beside that one.
fn behind_alternatives(path: PathBuf) -> PathBuf {
    let mut link = path.clone();
    for _ in 0..LINKS_MAX {
        let Ok(target) = std::fs::read_link(&link) else {
            break;
        };
        if link.starts_with(ALTERNATIVES) {
            return std::fs::canonicalize(&path).unwrap_or(path);
        }
        link = link.parent().unwrap_or(Path::new("/")).join(target);
    }
    path
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

/// The path that the command prints, if it is one; of a directory, what has the command's name in it.
fn located(command: &Path, arguments: &[String]) -> Option<PathBuf> {
    let text = said(command, arguments).ok()?;
    let path = PathBuf::from(text.trim());
    let paths = match command.file_name() {
        Some(name) if path.is_dir() => vec![path.join("bin").join(name), path.join(name)],
        _ => vec![path],
    };
    let mut paths = paths.into_iter();
    paths.find(|path| path.is_absolute() && is_executable(path, Whose::Ours))
}

/// Why a command says nothing.
enum Unsaid {
    /// It is nothing that this system can execute.
    NotStarted(std::io::Error),
    /// How it ended, and the first line of what it complained of.
    Failed(String),
}

/// What a command prints on either stream.
fn said(command: &Path, arguments: &[impl AsRef<OsStr>]) -> Result<String, Unsaid> {
    let output = Command::new(command)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(Unsaid::NotStarted)?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        let line = stderr.lines().find(|line| !line.trim().is_empty());
        let line = line.map_or(String::new(), |line| format!(": {}", line.trim()));
        return Err(Unsaid::Failed(format!("{}{line}", output.status)));
    }
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(if stdout.trim().is_empty() {
        stderr
    } else {
        stdout
    })
}

/// The first dotted number of a text, else the first number: warnings such as `64-Bit` may come first.
fn version_in(text: &str) -> Option<String> {
    let is_part = |letter: char| letter.is_ascii_digit() || letter == '.';
    let numbers = text
        .split(|letter| !is_part(letter))
        .map(|number| number.trim_matches('.'))
        .filter(|number| !number.is_empty());
    let mut dotted = numbers.clone().filter(|number| number.contains('.'));
    dotted.next().or(numbers.clone().next()).map(str::to_owned)
}

fn is_at_least(version: &str, wanted: &str) -> bool {
    let parts = |text: &str| {
        text.split('.')
            .map(|part| part.parse::<u64>().unwrap_or(0))
            .collect::<Vec<_>>()
    };
    let (mut version, wanted) = (parts(version), parts(wanted));
    // `8` is `8.0`.
    version.resize(version.len().max(wanted.len()), 0);
    version >= wanted
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    use super::{Interpreters, Whose, is_at_least, version_in};
    use crate::program::Interpreter;

    /// A command in `bin` of this directory, written by another process: while this one had it open, a test
    /// beside this could start a process that holds it open still, and what is open for writing is not executed.
    fn command(root: &Path, name: &str, text: &str) -> PathBuf {
        let path = root.join("bin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = Command::new("sh")
            .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = writer.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        assert!(writer.wait().unwrap().success());
        path
    }

    fn interpreter(path: &Path) -> Interpreter {
        Interpreter {
            language: "lang".to_owned(),
            command: path.display().to_string(),
            locate: Vec::new(),
            version: vec!["--version".to_owned()],
            at_least: None,
            install: Some("apt-get install lang".to_owned()),
        }
    }

    fn why(interpreter: &Interpreter) -> String {
        Interpreters::default()
            .find(interpreter, Whose::Ours)
            .unwrap_err()
    }

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version_in("Python 3.11.7\n").as_deref(), Some("3.11.7"));
        assert_eq!(version_in("v20.20.2").as_deref(), Some("20.20.2"));
        assert_eq!(version_in("12\n").as_deref(), Some("12"));
        let warned = "a 64-Bit VM. info: kotlinc-jvm 1.3.31 (JRE 17.0.15+6)";
        assert_eq!(version_in(warned).as_deref(), Some("1.3.31"));
        assert!(
            is_at_least("3.11.7", "3.9")
                && is_at_least("20", "18")
                && is_at_least("8", "8.0")
                && !is_at_least("8", "8.1")
                && !is_at_least("3.8.10", "3.9")
        );
    }

    #[test]
    fn what_is_too_old_or_broken_is_missing_with_the_reason() {
        let root = tempfile::tempdir().unwrap();
        let path = command(root.path(), "old", "#!/bin/sh\necho v20.1\n");
        let old = Interpreter {
            at_least: Some("22.18".to_owned()),
            ..interpreter(&path)
        };
        let expected = format!(
            "`{}`, which runs lang, is 20.1, and 22.18 or newer is needed; install it: apt-get install lang",
            path.display()
        );
        assert_eq!(why(&old), expected);
        // A file of another machine, or one that was cut short.
        let empty = why(&interpreter(&command(root.path(), "empty", "")));
        assert!(
            empty.contains("which runs lang, cannot be executed (Exec format error"),
            "{empty}"
        );
        let path = command(
            root.path(),
            "fails",
            "#!/bin/sh\necho no toolchain >&2\nexit 3\n",
        );
        let fails = Interpreter {
            at_least: Some("1".to_owned()),
            ..interpreter(&path)
        };
        let fails = why(&fails);
        assert!(
            fails.contains("does not say its version (exit status: 3: no toolchain)"),
            "{fails}"
        );
    }

    #[test]
    fn a_shim_may_name_the_directory_of_its_toolchain() {
        let root = tempfile::tempdir().unwrap();
        let real = command(&root.path().join("toolchain"), "lang", "#!/bin/sh\n");
        let shim = format!("#!/bin/sh\necho {}/toolchain\n", root.path().display());
        let shim = command(root.path(), "lang", &shim);
        let shimmed = Interpreter {
            locate: vec!["--print".to_owned()],
            version: Vec::new(),
            ..interpreter(&shim)
        };
        let found = Interpreters::default().find(&shimmed, Whose::Ours).unwrap();
        assert_eq!(found.path, real);
    }
}
