//! What builds left, kept in memory: the same program is built once, however many want it at once or
//! one after the other.
//!
//! What is kept is the output of a compiler that read hostile code. It is only ever given to the
//! program that it was built of, by a key over all that a build is made of, and only ever executed
//! where programs are.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::execution::{Execution, JobResult, Status};
use crate::program::{Limits, Program, Run, Word};

/// Bytes that all that is kept may have.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Builds that may be kept.
const BUILDS_MAX: usize = 512;

/// A file of a program: path, content, mode.
pub(super) type FileOf = (String, Arc<[u8]>, u32);
/// Files of a program.
pub(super) type Files = Arc<Vec<FileOf>>;

/// A build that is over.
#[derive(Debug)]
pub(super) struct Built {
    /// How it went, the first time.
    pub(super) build: Execution,
    /// What it left; nothing when it failed.
    pub(super) files: Files,
}

impl Built {
    /// The result of a job whose build failed; none when it did not.
    pub(super) fn failed(&self) -> Option<JobResult> {
        (self.build.status != Status::Ok).then(|| JobResult {
            build: Some(self.build.clone()),
            runs: Vec::new(),
        })
    }

    fn bytes(&self) -> usize {
        let files = self.files.iter();
        let files = files.map(|(path, bytes, _)| path.len() + bytes.len());
        files.sum::<usize>() + self.build.stdout.text.len() + self.build.stderr.text.len()
    }
}

/// How a program that has a build comes to it.
#[derive(Debug)]
pub(super) enum Build {
    /// It was made before.
    Known(Arc<Built>),
    /// Whoever got this makes it.
    Wanted(Claim),
}

/// The builds of a backend.
#[derive(Debug, Default)]
pub(super) struct Builds {
    shelf: Arc<Mutex<Shelf>>,
}

/// What those who wait for a build are told.
#[derive(Debug)]
enum News {
    None,
    Built(Arc<Built>),
    /// It says nothing of the next one, such as a timeout: each makes its own.
    Unsure,
}

/// The right to make a build. Those who want the same one wait until it is used or gone.
#[derive(Debug)]
pub(super) struct Claim {
    command: Vec<Word>,
    /// Absent, nobody waits for it.
    told: Option<Told>,
}

#[derive(Debug)]
struct Told {
    key: Key,
    shelf: Arc<Mutex<Shelf>>,
    news: watch::Sender<News>,
}

impl Builds {
    /// How a program comes to its build, if it has one; waits while somebody else makes the same one.
    pub(super) async fn want(&self, program: &Program, interpreter: &Path) -> Option<Build> {
        let command = program.build.as_ref()?;
        let by_itself = || {
            Some(Build::Wanted(Claim {
                command: command.clone(),
                told: None,
            }))
        };
        let Some(key) = Key::of(program, command, interpreter) else {
            return by_itself();
        };
        loop {
            let mut news = match lock(&self.shelf).look(key) {
                Found::Built(built) => return Some(Build::Known(built)),
                Found::Making(news) => news,
                Found::Nothing(news) => {
                    return Some(Build::Wanted(Claim {
                        command: command.clone(),
                        told: Some(Told {
                            key,
                            shelf: Arc::clone(&self.shelf),
                            news,
                        }),
                    }));
                }
            };
            // When whoever makes it is gone before it is done, another one may.
            if let Ok(news) = news.wait_for(|news| !matches!(news, News::None)).await {
                match &*news {
                    News::Built(built) => return Some(Build::Known(Arc::clone(built))),
                    News::None | News::Unsure => return by_itself(),
                }
            }
        }
    }
}

impl Claim {
    /// What is executed to build.
    pub(super) fn run(&self) -> Run {
        Run {
            command: self.command.clone(),
            ..Run::default()
        }
    }

    /// The build is over: tells those who wait, and keeps it where the next one would end alike.
    /// What fails for want of time, memory or room may not, nor what `is_sure` says nothing of.
    pub(super) fn ended(mut self, mut build: Execution, files: Files, is_sure: bool) -> Arc<Built> {
        let is_sure = is_sure
            && match build.status {
                Status::Ok => true,
                Status::RuntimeError => build.reason.is_none(),
                _ => false,
            };
        if build.status != Status::Ok {
            build.status = Status::CompileError;
        }
        let files = match build.status {
            Status::Ok => files,
            _ => Files::default(),
        };
        let built = Arc::new(Built { build, files });
        if let Some(told) = self.told.take() {
            let news = if is_sure {
                lock(&told.shelf).keep(told.key, &built);
                News::Built(Arc::clone(&built))
            } else {
                lock(&told.shelf).clear(told.key);
                News::Unsure
            };
            told.news.send_replace(news);
        }
        built
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(told) = &self.told {
            // Before those who wait see that nobody makes it any more.
            lock(&told.shelf).clear(told.key);
        }
    }
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf
        .lock()
        .expect("nobody panics while it looks at what is kept")
}

/// What is kept and what is made.
#[derive(Debug, Default)]
struct Shelf {
    places: HashMap<Key, Place>,
    bytes: usize,
    /// Counts the looks.
    now: u64,
}

#[derive(Debug)]
enum Place {
    Making(watch::Receiver<News>),
    Built { built: Arc<Built>, looked_at: u64 },
}

enum Found {
    Built(Arc<Built>),
    Making(watch::Receiver<News>),
    /// Whoever looked makes it, and tells.
    Nothing(watch::Sender<News>),
}

impl Shelf {
    fn look(&mut self, key: Key) -> Found {
        self.now += 1;
        match self.places.get_mut(&key) {
            Some(Place::Built { built, looked_at }) => {
                *looked_at = self.now;
                Found::Built(Arc::clone(built))
            }
            Some(Place::Making(news)) => Found::Making(news.clone()),
            None => {
                let (sender, receiver) = watch::channel(News::None);
                self.places.insert(key, Place::Making(receiver));
                Found::Nothing(sender)
            }
        }
    }

    /// Keeps a build in the place of those that were not asked for the longest.
    fn keep(&mut self, key: Key, built: &Arc<Built>) {
        self.clear(key);
        let bytes = built.bytes();
        if bytes > BYTES_MAX {
            return;
        }
        let mut kept: Vec<(u64, Key)> = Vec::new();
        for (key, place) in &self.places {
            if let Place::Built { looked_at, .. } = place {
                kept.push((*looked_at, *key));
            }
        }
        kept.sort_unstable_by_key(|(looked_at, _)| *looked_at);
        let mut count = kept.len();
        for (_, oldest) in kept {
            if self.bytes + bytes <= BYTES_MAX && count < BUILDS_MAX {
                break;
            }
            self.clear(oldest);
            count -= 1;
        }
        self.bytes += bytes;
        let place = Place::Built {
            built: Arc::clone(built),
            looked_at: self.now,
        };
        self.places.insert(key, place);
    }

    fn clear(&mut self, key: Key) {
        if let Some(Place::Built { built, .. }) = self.places.remove(&key) {
            self.bytes -= built.bytes();
        }
    }
}

/// A hash over all that a build is made of, each part after its length: no two builds can have the
/// same one by design, whatever stands in their files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key([u8; 32]);

impl Key {
    /// None when the interpreter cannot be looked at.
    fn of(program: &Program, command: &[Word], interpreter: &Path) -> Option<Key> {
        let identity = std::fs::metadata(interpreter).ok()?;
        let mut hasher = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hasher.update((bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        part(interpreter.as_os_str().as_encoded_bytes());
        for number in [
            i128::from(identity.dev()),
            identity.ino().into(),
            identity.size().into(),
            identity.mtime().into(),
            identity.mtime_nsec().into(),
            identity.ctime().into(),
            identity.ctime_nsec().into(),
            // What separates the parts that follow, of which there may be any number.
            i128::try_from(command.len()).ok()?,
            i128::try_from(program.files.len()).ok()?,
        ] {
            part(&number.to_le_bytes());
        }
        for word in command {
            match word {
                Word::Interpreter => part(b"interpreter"),
                Word::Text(text) => {
                    part(b"text");
                    part(text.as_bytes());
                }
            }
        }
        for file in &program.files {
            part(file.path.as_bytes());
            part(&file.bytes);
        }
        let Limits {
            // Of executions: a build has its own.
            wall: _,
            cpu: _,
            memory,
            output,
            processes,
            disk,
            inodes,
            open_files,
            build,
        } = program.limits;
        for number in [memory, output, processes, disk, inodes, open_files] {
            part(&number.to_le_bytes());
        }
        part(&build.as_nanos().to_le_bytes());
        part(&[u8::from(program.network)]);
        if let Some(server) = &program.fork_server {
            for count in [server.preload.len(), server.scripts.len()] {
                part(&(count as u64).to_le_bytes());
            }
            for module in &server.preload {
                part(module.as_bytes());
            }
            for script in &server.scripts {
                part(script.path.as_bytes());
                part(&script.bytes);
            }
        }
        Some(Key(hasher.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use super::{BUILDS_MAX, BYTES_MAX, Build, Builds, Built, Claim, Files, Key, lock};
    use crate::execution::{Captured, Execution, Isolation, Status};
    use crate::program::{Cloud, Interpreter, Limits, Program, SourceFile, Word};

    const INTERPRETER: &str = "/bin/sh";

    fn program(files: &[(&str, &str)]) -> Program {
        Program {
            interpreter: Arc::new(Interpreter::default()),
            files: files
                .iter()
                .map(|(path, text)| SourceFile {
                    path: (*path).to_owned(),
                    bytes: text.as_bytes().into(),
                })
                .collect(),
            build: Some(vec![Word::Interpreter, Word::Text("a b".to_owned())]),
            limits: Limits::default(),
            network: false,
            cloud: Cloud::default(),
            fork_server: None,
        }
    }

    fn ended(status: Status, reason: Option<&str>) -> Execution {
        Execution {
            status,
            reason: reason.map(str::to_owned),
            exit_code: None,
            signal: None,
            stdout: Captured::default(),
            stderr: Captured::default(),
            private: Vec::new(),
            judge: None,
            files: Vec::new(),
            wall: Duration::from_secs(1),
            cpu: Duration::ZERO,
            peak_memory: 0,
            backend: "local".to_owned(),
            isolation: Isolation::Full,
        }
    }

    fn of_size(bytes: usize) -> Files {
        Arc::new(vec![(String::new(), vec![0; bytes].into(), 0o755)])
    }

    async fn want(builds: &Builds, program: &Program) -> Build {
        builds.want(program, Path::new(INTERPRETER)).await.unwrap()
    }

    fn claim(build: Build) -> Claim {
        match build {
            Build::Wanted(claim) => claim,
            Build::Known(built) => panic!("it was built already: {built:?}"),
        }
    }

    fn known(build: Build) -> Arc<Built> {
        match build {
            Build::Known(built) => built,
            Build::Wanted(_) => panic!("it was not built"),
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    }

    #[test]
    fn whatever_a_build_is_made_of_tells_it_from_others() {
        let plain = program(&[("main.c", "int x;"), ("y.h", "")]);
        let with = |change: fn(&mut Program)| {
            let mut program = plain.clone();
            change(&mut program);
            program
        };
        let key = |program: &Program| {
            let command = program.build.as_deref().unwrap();
            Key::of(program, command, Path::new(INTERPRETER)).unwrap()
        };
        let others = [
            program(&[("main.c", "int x;y.h"), ("", "")]),
            program(&[("main.c", "int x;"), ("y.h", ""), ("z.h", "")]),
            program(&[("main.cint x;", ""), ("y.h", "")]),
            program(&[("y.h", ""), ("main.c", "int x;")]),
            with(|program| {
                let words = ["a", "b"].map(|word| Word::Text(word.to_owned()));
                program.build = Some([vec![Word::Interpreter], words.to_vec()].concat());
            }),
            with(|program| {
                let words = ["interpreter", "a b"].map(|word| Word::Text(word.to_owned()));
                program.build = Some(words.to_vec());
            }),
            with(|program| program.limits.memory += 1),
            with(|program| program.limits.build += Duration::from_nanos(1)),
            with(|program| program.network = true),
            with(|program| program.fork_server = Some(Arc::default())),
        ];
        let mut seen = vec![key(&plain)];
        for other in &others {
            assert!(!seen.contains(&key(other)), "{other:?}");
            seen.push(key(other));
        }
        let same = [
            plain.clone(),
            with(|program| program.limits.wall += Duration::from_secs(1)),
            with(|program| program.limits.cpu += Duration::from_secs(1)),
        ];
        for same in &same {
            assert_eq!(key(same), key(&plain), "{same:?}");
        }
        let command = plain.build.as_deref().unwrap();
        let of = |path: &str| Key::of(&plain, command, Path::new(path));
        assert_ne!(of("/bin/cat"), Some(key(&plain)));
        assert_eq!(of("/nowhere/cc"), None);
    }

    #[test]
    fn what_ended_for_good_is_kept() {
        use Status::{Killed, MemoryLimit, Ok, OutputLimit, RuntimeError, Timeout};
        runtime().block_on(async {
            for (status, reason, is_sure, is_kept) in [
                (Ok, None, true, true),
                (RuntimeError, None, true, true),
                (
                    RuntimeError,
                    Some("its files took all the disk"),
                    true,
                    false,
                ),
                (RuntimeError, None, false, false),
                (Timeout, Some("wall"), true, false),
                (MemoryLimit, None, true, false),
                (OutputLimit, None, true, false),
                (Killed, None, true, false),
            ] {
                let builds = Builds::default();
                let program = program(&[]);
                let mine = claim(want(&builds, &program).await);
                let built = mine.ended(ended(status, reason), of_size(1), is_sure);
                let is_ok = status == Status::Ok;
                assert_eq!(built.failed().is_none(), is_ok);
                assert_eq!(built.files.is_empty(), !is_ok);
                match want(&builds, &program).await {
                    Build::Known(again) => {
                        assert!(is_kept, "{status:?}");
                        assert!(Arc::ptr_eq(&again, &built));
                    }
                    Build::Wanted(_) => assert!(!is_kept, "{status:?}"),
                }
            }
        });
    }

    #[test]
    fn who_wants_the_same_waits_and_is_never_left() {
        runtime().block_on(async {
            let builds = Arc::new(Builds::default());
            let waiter = || {
                let builds = Arc::clone(&builds);
                tokio::spawn(async move { want(&builds, &program(&[])).await })
            };
            let first = claim(want(&builds, &program(&[])).await);
            let second = waiter();
            tokio::task::yield_now().await;
            assert!(!second.is_finished());
            // Cancelled: another one makes it.
            drop(first);
            let second = claim(second.await.unwrap());
            let others = [waiter(), waiter()];
            tokio::task::yield_now().await;
            // Unsure: each makes its own.
            second.ended(ended(Status::Timeout, Some("wall")), Files::default(), true);
            for other in others {
                drop(claim(other.await.unwrap()));
            }
            let fourth = claim(want(&builds, &program(&[])).await);
            let fifth = waiter();
            let sixth = waiter();
            tokio::task::yield_now().await;
            sixth.abort();
            let built = fourth.ended(ended(Status::Ok, None), of_size(BYTES_MAX + 1), true);
            // Also what is too large to be kept.
            assert!(Arc::ptr_eq(&known(fifth.await.unwrap()), &built));
            drop(claim(want(&builds, &program(&[])).await));
            assert!(lock(&builds.shelf).places.is_empty());
        });
    }

    #[test]
    fn what_was_asked_for_last_is_kept() {
        runtime().block_on(async {
            let builds = Builds::default();
            let numbered = |number: usize| program(&[("n", &number.to_string())]);
            let make = async |number: usize, bytes: usize| {
                let mine = claim(want(&builds, &numbered(number)).await);
                mine.ended(ended(Status::Ok, None), of_size(bytes), true);
            };
            make(0, BYTES_MAX / 2).await;
            make(1, BYTES_MAX / 4).await;
            known(want(&builds, &numbered(0)).await);
            make(2, BYTES_MAX / 2).await;
            known(want(&builds, &numbered(0)).await);
            known(want(&builds, &numbered(2)).await);
            drop(claim(want(&builds, &numbered(1)).await));
            for number in 3..BUILDS_MAX + 20 {
                make(number, 0).await;
                known(want(&builds, &numbered(0)).await);
            }
            assert_eq!(lock(&builds.shelf).places.len(), BUILDS_MAX);
            make(BUILDS_MAX + 20, BYTES_MAX).await;
            assert_eq!(lock(&builds.shelf).places.len(), 1);
            assert_eq!(lock(&builds.shelf).bytes, BYTES_MAX);
        });
    }
}
