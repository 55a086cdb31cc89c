//! A project in a temporary directory, the command run in it, and golden files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A project that is gone when the test ends.
pub(crate) struct TempProject {
    directory: tempfile::TempDir,
}

impl TempProject {
    /// A project with these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let project = TempProject::bare(&[("rewardspec.toml", "")]);
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    /// Files without anything that marks a project.
    pub(crate) fn bare(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let project = TempProject { directory };
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Writes a command, by another process: while this one had it open, a test beside this could start a process
    /// that holds it open still, and what is open for writing is not executed.
    pub(crate) fn write_command(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = Command::new("sh")
            .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
            .arg(path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = writer.stdin.take().unwrap();
        stdin.write_all(content.as_bytes()).unwrap();
        drop(stdin);
        assert!(writer.wait().unwrap().success());
    }

    /// Runs the command in the project.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs the command with something on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &str) -> Ran {
        run_in(self.path(), arguments, stdin, &[])
    }

    /// Runs the command with variables set.
    pub(crate) fn run_env(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        run_in(self.path(), arguments, "", variables)
    }
}

/// What came of the command.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The lines of standard output as JSON objects.
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// Fails with everything it printed unless the status is as wanted.
    #[track_caller]
    pub(crate) fn expect_status(self, status: i32) -> Self {
        assert_eq!(
            self.status, status,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }
}

/// Runs the command in a directory, without the caller's keys.
pub(crate) fn run_in(
    directory: &Path,
    arguments: &[&str],
    stdin: &str,
    variables: &[(&str, &str)],
) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rewardspec"))
        .args(arguments)
        .current_dir(directory)
        .env_remove("E2B_API_KEY")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_owned();
    let feeder = std::thread::spawn(move || {
        // A command that does not read its input is no failure.
        let _ = pipe.write_all(stdin.as_bytes());
    });
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    Ran {
        status: status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Compares with a golden file, or with `UPDATE=1` writes it.
#[track_caller]
pub(crate) fn assert_golden(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        expected == actual,
        "{} differs; accept it with `UPDATE=1 cargo test --test it`\n--- golden\n{expected}\n--- actual\n{actual}",
        path.display()
    );
}
