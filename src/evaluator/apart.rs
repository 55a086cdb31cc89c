//! Tests judged apart: in a process of their own, which calls the program's functions.
//!
//! The program gets a server of calls and never the tests. The judge gets the tests and stand-ins for
//! what they name of the program. Values cross between the two by type; objects stay where they are
//! and are asked. What a program can do to its own interpreter reaches no verdict, and a report is the
//! judge's alone. The scripts of both sides are part of this library; which of them a language uses is
//! its rule's `apart`.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::program::{ForkServer, Judge, Limits, SourceFile, Word};

/// A channel over which tests call a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Python's.
    Python,
    /// JavaScript's.
    JavaScript,
}

/// How much longer than the program its judge may take: it reports when the program is gone.
const JUDGE_LATE: Duration = Duration::from_secs(1);
/// Processes and threads of a judge; node has a few of its own.
const JUDGE_TASKS: u64 = 64;
/// Bytes of a judge's own directory, beside its files.
const JUDGE_DISK: u64 = 16 * 1024 * 1024;

/// The scripts of a channel.
struct Scripts {
    program: SourceFile,
    judge: SourceFile,
    /// What the judge shares with the runner beside a program: how tests are run and counted.
    tests: SourceFile,
    /// Options of the interpreter that runs the judge.
    options: &'static [&'static str],
}

static PYTHON: LazyLock<Scripts> = LazyLock::new(|| Scripts {
    program: file(
        "rewardspec_program.py",
        include_str!("apart/python/program.py"),
    ),
    judge: file("rewardspec_judge.py", include_str!("apart/python/judge.py")),
    tests: file(
        "rewardspec_tests.py",
        include_str!("../../rules/languages/python.beside.py"),
    ),
    options: &["-I"],
});

static JAVASCRIPT: LazyLock<Scripts> = LazyLock::new(|| Scripts {
    program: file(
        "rewardspec_program.js",
        include_str!("apart/javascript/program.js"),
    ),
    judge: file(
        "rewardspec_judge.js",
        include_str!("apart/javascript/judge.js"),
    ),
    tests: file(
        "rewardspec_tests.js",
        include_str!("../../rules/languages/javascript.beside.js"),
    ),
    options: &[],
});

/// What judges in Python are forks of.
static PYTHON_JUDGES: LazyLock<Arc<ForkServer>> = LazyLock::new(|| {
    Arc::new(ForkServer {
        preload: Vec::new(),
        scripts: vec![PYTHON.judge.clone(), PYTHON.tests.clone()],
    })
});

impl Channel {
    fn scripts(self) -> &'static Scripts {
        match self {
            Channel::Python => &PYTHON,
            Channel::JavaScript => &JAVASCRIPT,
        }
    }

    /// The server of calls, put beside a program.
    pub(crate) fn server(self) -> SourceFile {
        self.scripts().program.clone()
    }

    /// The command that serves the calls of a program.
    pub(super) fn command(self, program: &str, args: &[String]) -> Vec<Word> {
        let mut command = vec![
            Word::Interpreter,
            Word::Text(self.scripts().program.path.clone()),
            Word::Text(program.to_owned()),
        ];
        command.extend(args.iter().map(|arg| Word::Text(arg.clone())));
        command
    }

    /// The judge of tests: `order` holds them, `files` are those of the suite, `limits` the program's.
    pub(super) fn judge(self, order: Vec<u8>, files: &[SourceFile], limits: &Limits) -> Judge {
        let Scripts {
            judge,
            tests,
            options,
            ..
        } = self.scripts();
        let mut command = vec![Word::Interpreter];
        command.extend(
            options
                .iter()
                .map(|option| Word::Text((*option).to_owned())),
        );
        command.push(Word::Text(judge.path.clone()));
        // The author's files give way to the scripts.
        let own = [&judge.path, &tests.path];
        let files = files.iter().filter(|file| !own.contains(&&file.path));
        Judge {
            command,
            files: [judge, tests].into_iter().chain(files).cloned().collect(),
            order,
            fork_server: match self {
                Channel::Python => Some(Arc::clone(&PYTHON_JUDGES)),
                Channel::JavaScript => None,
            },
            limits: Limits {
                wall: limits.wall + JUDGE_LATE,
                cpu: limits.cpu,
                processes: JUDGE_TASKS,
                disk: limits.disk.max(JUDGE_DISK),
                ..*limits
            },
        }
    }
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile {
        path: path.to_owned(),
        bytes: Arc::from(text.as_bytes()),
    }
}
