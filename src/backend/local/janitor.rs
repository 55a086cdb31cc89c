//! A process that removes what this one leaves when it is killed: control groups and directories,
//! which do not go with their maker.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use super::{MODE, directory, sandbox};

/// What must not be left.
#[derive(Debug, Clone, Copy)]
pub(super) enum Left {
    Group,
    Directory,
}

impl Left {
    fn word(self) -> &'static str {
        match self {
            Left::Group => "group",
            Left::Directory => "directory",
        }
    }
}

/// The janitor of this process. Ends with it.
#[derive(Debug)]
pub(super) struct Janitor(Mutex<Child>);

impl Janitor {
    pub(super) fn start(executable: &Path) -> io::Result<Janitor> {
        let janitor = Command::new(executable)
            .env_clear()
            .env(MODE, "tidy")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Janitor(Mutex::new(janitor)))
    }

    /// Has something removed when this process is gone.
    pub(super) fn remember(&self, left: Left, path: &Path) -> io::Result<()> {
        self.say(&format!("{} {}", left.word(), path.display()))
    }

    /// It is removed already.
    pub(super) fn forget(&self, path: &Path) {
        // One that is gone has nothing to forget.
        let _ = self.say(&format!("gone {}", path.display()));
    }

    fn say(&self, line: &str) -> io::Result<()> {
        let mut janitor = self
            .0
            .lock()
            .expect("nobody panics while it holds the janitor");
        match &mut janitor.stdin {
            Some(pipe) => writeln!(pipe, "{line}"),
            None => Ok(()),
        }
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        if let Ok(janitor) = self.0.get_mut() {
            drop(janitor.stdin.take());
            let _ = janitor.wait();
        }
    }
}

/// What the janitor does: reads lines from standard input until its supervisor is gone, and removes
/// what was not said to be gone.
pub(super) fn serve() -> ! {
    // An interrupt from the terminal is meant for the supervisor.
    let _ = rustix::process::setsid();
    let (mut groups, mut directories) = (BTreeSet::new(), BTreeSet::new());
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let Some((word, path)) = line.split_once(' ') else {
            continue;
        };
        let path = PathBuf::from(path);
        match word {
            "group" => drop(groups.insert(path)),
            "directory" => drop(directories.insert(path)),
            _ => {
                groups.remove(&path);
                directories.remove(&path);
            }
        }
    }
    for group in groups {
        sandbox::remove_group(&group);
    }
    for left in directories {
        directory::remove(&left);
    }
    sandbox::sys::exit(0)
}
