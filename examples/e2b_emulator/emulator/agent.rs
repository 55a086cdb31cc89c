//! The processes that live in an emulated sandbox, and the conversation with each.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rewardspec::backend::local::Local;
use rewardspec::program::{Cloud, Interpreter, Limits, Program, Run, SourceFile, Streams, Word};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

const MIB: u64 = 1024 * 1024;

/// Those who wait for what is said about an order.
type Waiting = Arc<Mutex<BTreeMap<u64, mpsc::UnboundedSender<Value>>>>;

/// A sandbox's agent. Dropped, the sandbox ends.
#[derive(Debug)]
pub(super) struct Agent {
    line: Line,
    tasks: [tokio::task::JoinHandle<()>; 3],
}

/// The way to an agent, which does not keep it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    orders: mpsc::UnboundedSender<Value>,
    waiting: Waiting,
    next: Arc<AtomicU64>,
}

impl std::ops::Deref for Agent {
    type Target = Line;

    fn deref(&self) -> &Line {
        &self.line
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Agent {
    /// Starts the user's agent, or that of root, which has the user's to share its FIFOs with.
    pub(super) fn start(
        local: Arc<Local>,
        internet: bool,
        users: Option<Line>,
    ) -> std::io::Result<Agent> {
        let (stdin, mut to_agent) = {
            let (read, write) = std::io::pipe()?;
            (
                OwnedFd::from(read),
                pipe::Sender::from_owned_fd(write.into())?,
            )
        };
        let (from_agent, stdout) = {
            let (read, write) = std::io::pipe()?;
            (
                pipe::Receiver::from_owned_fd(read.into())?,
                OwnedFd::from(write),
            )
        };
        let stderr = OwnedFd::from(std::fs::File::options().write(true).open("/dev/null")?);
        let streams = Streams {
            stdin,
            stdout,
            stderr,
        };
        let (orders, mut ordered) = mpsc::unbounded_channel::<Value>();
        let line = Line {
            orders,
            waiting: Waiting::default(),
            next: Arc::new(AtomicU64::new(1)),
        };
        let run = run(users.is_some());
        let living = tokio::spawn(async move {
            // Its end is seen by the end of what it says.
            let _ = local.attach(program(internet), run, streams).await;
        });
        let telling = tokio::spawn(async move {
            while let Some(order) = ordered.recv().await {
                if to_agent
                    .write_all(format!("{order}\n").as_bytes())
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        let (heard, own) = (Arc::clone(&line.waiting), line.clone());
        let hearing = tokio::spawn(async move {
            let mut shared = tokio::task::JoinSet::new();
            let mut lines = BufReader::new(from_agent).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let Ok(said) = serde_json::from_str::<Value>(&line) else {
                    continue;
                };
                if let (Some(path), Some(users)) = (said["fifo"].as_str(), &users) {
                    share(path, &said["mode"], &own, users, &mut shared).await;
                    continue;
                }
                let id = said["id"].as_u64().unwrap_or_default();
                let mut heard = heard.lock().expect("nobody panics while it looks up");
                if let Some(sender) = heard.get(&id)
                    && sender.send(said).is_err()
                {
                    heard.remove(&id);
                }
            }
            heard
                .lock()
                .expect("nobody panics while it looks up")
                .clear();
        });
        Ok(Agent {
            line,
            tasks: [living, telling, hearing],
        })
    }

    /// The way to it.
    pub(super) fn line(&self) -> Line {
        self.line.clone()
    }
}

/// Makes a FIFO of root's for the user as well, and passes on what is written to it. Processes that root
/// started have not yet said that it is there.
async fn share(
    path: &str,
    mode: &Value,
    root: &Line,
    users: &Line,
    shared: &mut tokio::task::JoinSet<()>,
) {
    let made = json!({"op": "make_fifo", "path": path, "mode": mode});
    if users.ask(made).await.is_err() {
        return;
    }
    let is_read_by_user = mode.as_u64().unwrap_or_default() & 0o004 != 0;
    let (from, to) = if is_read_by_user {
        (root.clone(), users.clone())
    } else {
        (users.clone(), root.clone())
    };
    shared.spawn(pass_on(path.to_owned(), from, to));
}

/// Passes on what is written to a FIFO in one sandbox to those who read it in the other, until one of them
/// is gone.
async fn pass_on(path: String, from: Line, to: Line) {
    let pour = |data: &Value| to.ask(json!({"op": "pour", "path": path, "data": data}));
    // Waits for the reader, as opening it does.
    let mut poured = pour(&json!("")).await;
    while poured.is_ok() {
        match from.ask(json!({"op": "take", "path": path})).await {
            Ok(piece) if piece.as_str().is_some_and(|piece| !piece.is_empty()) => {
                poured = pour(&piece).await;
            }
            _ => break,
        }
    }
    for end in [from, to] {
        let _ = end.ask(json!({"op": "leave", "path": path})).await;
    }
}

impl Line {
    /// Gives an order; what is said about it comes by the receiver.
    pub(super) fn order(&self, mut order: Value) -> mpsc::UnboundedReceiver<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        order["id"] = json!(id);
        let (sender, receiver) = mpsc::unbounded_channel();
        self.waiting
            .lock()
            .expect("nobody panics while it looks up")
            .insert(id, sender);
        let _ = self.orders.send(order);
        receiver
    }

    /// Gives an order that one thing is said about: `done`, or an error and its message.
    pub(super) async fn ask(&self, order: Value) -> Result<Value, (String, String)> {
        let gone = || ("unavailable".to_owned(), "the sandbox is gone".to_owned());
        let said = self.order(order).recv().await.ok_or_else(gone)?;
        let text = |key: &str| said[key].as_str().unwrap_or_default().to_owned();
        match said.get("error") {
            Some(_) => Err((text("error"), text("message"))),
            None => Ok(said["done"].clone()),
        }
    }
}

fn program(internet: bool) -> Arc<Program> {
    let file = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        bytes: text.as_bytes().into(),
    };
    let hour = Duration::from_secs(3600);
    Arc::new(Program {
        interpreter: Arc::new(Interpreter {
            language: "python".to_owned(),
            command: "python3".to_owned(),
            locate: ["-I", "-c", "import sys; print(sys.executable)"]
                .map(str::to_owned)
                .to_vec(),
            ..Interpreter::default()
        }),
        files: vec![
            file(".emulator/agent.py", include_str!("agent.py")),
            file(".emulator/kernel.py", include_str!("kernel.py")),
            file(".emulator/kernel.js", include_str!("kernel.js")),
        ],
        build: None,
        limits: Limits {
            wall: hour,
            cpu: hour,
            memory: 2048 * MIB,
            output: u64::MAX,
            processes: 512,
            disk: 512 * MIB,
            inodes: 100_000,
            open_files: 1024,
            build: hour,
        },
        network: internet,
        cloud: Cloud::default(),
        fork_server: None,
    })
}

fn run(is_root: bool) -> Run {
    let words = ["-I", "-S", ".emulator/agent.py"];
    let words = words.into_iter().chain(is_root.then_some("root"));
    let words = words.map(|word| Word::Text(word.to_owned()));
    Run {
        command: std::iter::once(Word::Interpreter).chain(words).collect(),
        ..Run::default()
    }
}
