//! Peers: installed once, each into an environment below `target/`, from the pins of `peers.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::AT_ONCE;
use crate::measure::{Measured, timed};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/throughput");
const PINS: &str = include_str!("peers.toml");

/// The interpreter of an environment with what the pins of this name say.
pub(crate) fn environment(name: &str, python: &Path) -> Result<PathBuf, String> {
    let pins: BTreeMap<String, Vec<String>> = toml::from_str(PINS).unwrap();
    let pins = &pins[name];
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("peers")
        .join(name);
    let interpreter = directory.join("bin/python");
    // Written last: an environment without it is unfinished, with another text out of date.
    let mark = directory.join("installed");
    let wanted = format!("{}\n{}", python.display(), pins.join("\n"));
    if std::fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
        return Ok(interpreter);
    }
    eprintln!("installing {name} into {}", directory.display());
    succeed(
        Command::new(python)
            .args(["-m", "venv", "--clear"])
            .arg(&directory),
    )?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ];
    succeed(Command::new(&interpreter).args(pip).args(pins))?;
    std::fs::write(&mark, wanted).unwrap();
    Ok(interpreter)
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {told}"))
}

/// A peer's executor on the programs of a file. Its threads and processes race now and then, so a wrong
/// verdict is told and the whole measured again, once.
pub(crate) fn grade(
    name: &str,
    python: &Path,
    rows: &Path,
    count: usize,
) -> Result<Measured, String> {
    let again = |error: String| {
        eprintln!("note: {name} is measured again: {error}");
        once(name, python, rows, count)
    };
    once(name, python, rows, count).or_else(again)
}

fn once(name: &str, python: &Path, rows: &Path, count: usize) -> Result<Measured, String> {
    let mut command = Command::new(python);
    command.args(["-I", "-W", "ignore"]);
    command.arg(format!("{DIRECTORY}/peer.py")).arg(name);
    let (_, told) = run(command, rows, count)?;
    Ok(Measured {
        programs: count,
        seconds: told.seconds,
        cpu_seconds: told.number("CPU_SECONDS=")?,
    })
}

/// What a warm fork reaches that does nothing else.
pub(crate) fn floor(python: &Path, rows: &Path, count: usize) -> Result<Measured, String> {
    let mut command = Command::new(python);
    command
        .args(["-I", "-S"])
        .arg(format!("{DIRECTORY}/fork_floor.py"));
    command.env_clear();
    // Its CPU time is that of its start, too.
    let (whole, told) = run(command, rows, count)?;
    Ok(Measured {
        seconds: told.seconds,
        ..whole
    })
}

/// What a script printed, all of whose programs were found right.
struct Told {
    text: String,
    seconds: f64,
}

impl Told {
    fn number(&self, key: &str) -> Result<f64, String> {
        number(&self.text, key)
    }
}

/// The script's command is given the rows and how many at once.
fn run(mut command: Command, rows: &Path, count: usize) -> Result<(Measured, Told), String> {
    command.arg(rows).arg(AT_ONCE.to_string());
    let mut text = String::new();
    let whole = timed(count, || {
        let output = command.output().map_err(|error| error.to_string())?;
        text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    })?;
    let passed = number(&text, "PASSED=")?;
    if passed as usize != count {
        let wrong: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("WRONG="))
            .collect();
        return Err(format!(
            "{passed} of {count} are right\n{}",
            wrong.join("\n")
        ));
    }
    let seconds = number(&text, "INNER_SECONDS=")?;
    Ok((whole, Told { text, seconds }))
}

fn number(text: &str, key: &str) -> Result<f64, String> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.parse().ok());
    value.ok_or(format!("expected `{key}`, found `{text}`"))
}
