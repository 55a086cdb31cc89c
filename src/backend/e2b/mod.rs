//! Runs programs in E2B's cloud: one program, one sandbox, ended afterwards.
//!
//! A sandbox is made for each job and killed when the job is over, however it ends: by itself, by an
//! error, because nobody waits any more, because this process is asked to end. What cannot be killed
//! ends by its lifetime, which is as short as the job allows.

mod judge;
mod notebook;
mod script;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use crate::e2b::{Client, Config, Error, ErrorKind, ListQuery, NewSandbox, Sandbox, random_word};
use crate::execution::{Execution, InfrastructureError, Isolation, JobResult, Status};
use crate::program::{CloudMode, Job, Program};

/// The template where neither the suite nor the language's rule names one: it has the code
/// interpreter, Python and Node.
pub const TEMPLATE: &str = "code-interpreter-v1";
/// Sandboxes at once, where nothing else is said: below the 20 that E2B's smallest plan allows.
const SANDBOXES: usize = 16;
/// What a sandbox lives beyond the time that its programs may take.
const LIFETIME_SPARE: Duration = Duration::from_secs(60);
/// How long ending the sandboxes that are left may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// Beyond a limit, how long the cloud may take to act on it.
const CLOUD_LATE: Duration = Duration::from_secs(20);

/// The backend in E2B's cloud.
#[derive(Debug)]
pub struct E2b {
    client: Client,
    free: Semaphore,
    slots: usize,
    live: Live,
    making: Arc<Making>,
    /// Why nothing can be made at all, once that is known.
    refused: OnceLock<InfrastructureError>,
    is_closed: AtomicBool,
    /// Words by which the sandboxes of this run are found.
    run: String,
}

/// Sandboxes that are being made: their ids are not known yet.
#[derive(Debug, Default)]
struct Making {
    count: Mutex<usize>,
    changed: Notify,
    /// Whether a sandbox may have been made whose id never came.
    has_lost: AtomicBool,
}

impl Making {
    fn one(self: &Arc<Self>) -> MakingOne {
        *self.lock() += 1;
        MakingOne {
            making: Arc::clone(self),
            is_answered: false,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, usize> {
        self.count.lock().expect("nobody panics while it counts")
    }

    /// Waits until none is.
    async fn none(&self) {
        loop {
            let changed = self.changed.notified();
            if *self.lock() == 0 {
                return;
            }
            changed.await;
        }
    }
}

struct MakingOne {
    making: Arc<Making>,
    is_answered: bool,
}

impl Drop for MakingOne {
    fn drop(&mut self) {
        if !self.is_answered {
            // Its runtime ended first: there may be a sandbox whose id never came.
            self.making.has_lost.store(true, Ordering::Relaxed);
        }
        *self.making.lock() -= 1;
        self.making.changed.notify_waiters();
    }
}

/// Sandboxes that were made and are not known to have ended.
type Live = Arc<Mutex<BTreeSet<String>>>;

impl E2b {
    /// A backend; nothing is sent. `jobs` is how many sandboxes run at once.
    ///
    /// # Errors
    /// When the system's certificates cannot be used.
    pub fn new(config: Config, jobs: Option<usize>) -> Result<Self, InfrastructureError> {
        let slots = jobs.unwrap_or(SANDBOXES).max(1);
        Ok(E2b {
            client: Client::new(config).map_err(infrastructure)?,
            free: Semaphore::new(slots),
            slots,
            live: Live::default(),
            making: Arc::default(),
            refused: OnceLock::new(),
            is_closed: AtomicBool::new(false),
            run: random_word::<8>(),
        })
    }

    /// A backend as the variables say; none where they say that it cannot be used.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_environment(jobs: Option<usize>) -> Result<Option<Self>, InfrastructureError> {
        let config = Config::from_environment();
        config
            .is_usable()
            .then(|| E2b::new(config, jobs))
            .transpose()
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where it is: the control plane's address, or in the local mode the sandbox's.
    pub fn place(&self) -> String {
        let config = self.client.config();
        if config.debug {
            config.sandbox_base("", None, crate::e2b::ENVD_PORT)
        } else {
            // Without what may be secret in it.
            let base = config.api_base();
            let host = base
                .rsplit_once('@')
                .map_or(base.as_str(), |(_, host)| host);
            let host = host.split(['?', '#']).next().unwrap_or_default();
            let begin = if base.starts_with("http://") {
                "http://"
            } else {
                "https://"
            };
            format!("{begin}{}", host.trim_start_matches(begin))
        }
    }

    /// Sandboxes at once.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Runs a job in a sandbox of its own. Making it is not charged to the program.
    ///
    /// # Errors
    /// When E2B cannot be used, fails, or the job cannot run there.
    pub async fn execute(&self, job: &Job) -> Result<JobResult, InfrastructureError> {
        if let Some(refused) = self.refused.get() {
            return Err(refused.clone());
        }
        let _slot = self.free.acquire().await.map_err(|_| closed())?;
        let program = &job.program;
        // Before a sandbox is paid for.
        let plan = match program.cloud.mode {
            CloudMode::Script => Plan::Script(script::Commands::of(job)?),
            CloudMode::Notebook => Plan::Notebook(notebook::Cells::of(job)?),
        };
        let mut is_second = false;
        loop {
            let lease = self.lease(program, lifetime(job)).await?;
            let ran = match &plan {
                Plan::Script(commands) => script::run(&lease.sandbox, job, commands).await,
                Plan::Notebook(cells) => notebook::run(&lease.sandbox, job, cells).await,
            };
            // What cannot be ended now is ended, or told, when the backend is closed.
            let _ = tokio::time::timeout(CLOSE_WITHIN, lease.end()).await;
            match ran {
                // Never sent again where it may have run: all of it, in a sandbox that knows nothing.
                Err(error) if !is_second && is_of_the_sandbox(&error) => is_second = true,
                ran => return ran.map_err(infrastructure),
            }
        }
    }

    async fn lease(
        &self,
        program: &Program,
        lifetime: Duration,
    ) -> Result<Lease, InfrastructureError> {
        let template = program.cloud.template.as_deref().unwrap_or(TEMPLATE);
        let mut order = NewSandbox::new(template, lifetime);
        order.internet = program.network;
        for (name, value) in [("tool", "rewardspec"), ("run", &self.run)] {
            order.metadata.insert(name.to_owned(), value.to_owned());
        }
        // Not given up halfway: a sandbox whose id never came could not be ended.
        let (client, live) = (self.client.clone(), Arc::clone(&self.live));
        let mut making = self.making.one();
        if self.is_closed.load(Ordering::SeqCst) {
            making.is_answered = true;
            return Err(closed());
        }
        let made = tokio::spawn(async move {
            let made = client.create(&order).await;
            making.is_answered = true;
            let lease = Lease::new(client, made?, live);
            drop(making);
            Ok(lease)
        });
        let made: Result<Lease, Error> = made
            .await
            .map_err(|error| InfrastructureError::new(format!("a sandbox was lost: {error}")))?;
        made.map_err(|error| {
            let is_final = matches!(error.kind, ErrorKind::KeyRefused | ErrorKind::Forbidden);
            let is_answer = matches!(
                error.kind,
                ErrorKind::Refused | ErrorKind::NotFound | ErrorKind::ConcurrencyLimit
            );
            if !is_answer && !is_final {
                self.making.has_lost.store(true, Ordering::Relaxed);
            }
            let error = infrastructure(error);
            if is_final {
                // Said once to the server: the answer would be the same.
                let _ = self.refused.set(error.clone());
            }
            error
        })
    }

    /// Ends the sandboxes that are left; what must be said of those that could not be ended.
    pub async fn close(&self) -> Option<String> {
        self.free.close();
        // Before it is asked what is being made: nothing begins after that.
        self.is_closed.store(true, Ordering::SeqCst);
        let known = async {
            self.making.none().await;
            if self.making.has_lost.load(Ordering::Relaxed) {
                find_lost(&self.client, &self.run, &self.live).await;
            }
            end_all(&self.client, &self.live).await;
        };
        // What is left ends by its lifetime.
        let _ = tokio::time::timeout(CLOSE_WITHIN, known).await;
        let left = lock(&self.live).len();
        (left > 0).then(|| {
            format!(
                "{left} of E2B's sandboxes could not be ended; they end by their lifetime, and are found by the metadata `run: {}`",
                self.run
            )
        })
    }
}

impl Drop for E2b {
    /// For when nobody closed it, as when a thread panicked.
    fn drop(&mut self) {
        let has_lost = self.making.has_lost.load(Ordering::Relaxed);
        let has_any = has_lost || !lock(&self.live).is_empty();
        if !has_any || self.is_closed.load(Ordering::SeqCst) {
            return;
        }
        let (client, live) = (self.client.clone(), Arc::clone(&self.live));
        let run = self.run.clone();
        let ending = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                runtime.block_on(async {
                    // Connections belong to the runtime that made them.
                    if let Ok(client) = Client::new(client.config().clone()) {
                        let all = async {
                            if has_lost {
                                find_lost(&client, &run, &live).await;
                            }
                            end_all(&client, &live).await;
                        };
                        let _ = tokio::time::timeout(CLOSE_WITHIN, all).await;
                    }
                });
            }
        });
        let _ = ending.join();
    }
}

fn closed() -> InfrastructureError {
    InfrastructureError::new("the backend `e2b` was closed")
}

enum Plan {
    Script(script::Commands),
    Notebook(notebook::Cells),
}

fn lock(live: &Live) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
    live.lock()
        .expect("nobody panics while it holds the names of sandboxes")
}

/// Finds the sandboxes of a run that nobody knows of.
async fn find_lost(client: &Client, run: &str, live: &Live) {
    let mut query = ListQuery::default();
    query.metadata.insert("run".to_owned(), run.to_owned());
    let mut next = None;
    while let Ok(page) = client.list(&query, next.as_deref()).await {
        lock(live).extend(page.sandboxes.into_iter().map(|sandbox| sandbox.id));
        next = page.next;
        if next.is_none() {
            return;
        }
    }
}

async fn end_all(client: &Client, live: &Live) {
    let mut ending = tokio::task::JoinSet::new();
    for id in lock(live).clone() {
        let (client, live) = (client.clone(), Arc::clone(live));
        ending.spawn(async move {
            if client.kill(&id).await.is_ok() {
                lock(&live).remove(&id);
            }
        });
    }
    while ending.join_next().await.is_some() {}
}

/// A sandbox that is ended, whatever happens.
struct Lease {
    client: Client,
    sandbox: Sandbox,
    live: Live,
}

impl Lease {
    fn new(client: Client, sandbox: Sandbox, live: Live) -> Self {
        lock(&live).insert(sandbox.id().to_owned());
        Lease {
            client,
            sandbox,
            live,
        }
    }

    async fn end(self) -> Result<(), Error> {
        self.client.kill(self.sandbox.id()).await?;
        lock(&self.live).remove(self.sandbox.id());
        Ok(())
    }
}

impl Drop for Lease {
    /// For a job that nobody waits for any more. What cannot be ended now is by `close`.
    fn drop(&mut self) {
        let id = self.sandbox.id().to_owned();
        if !lock(&self.live).contains(&id) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (client, live) = (self.client.clone(), Arc::clone(&self.live));
            runtime.spawn(async move {
                if client.kill(&id).await.is_ok() {
                    lock(&live).remove(&id);
                }
            });
        }
    }
}

/// Whether an error may be of this sandbox alone, so that another may do better.
fn is_of_the_sandbox(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::Connection
            | ErrorKind::Protocol
            | ErrorKind::PortClosed
            | ErrorKind::SandboxGone
            | ErrorKind::ConnectionLimit
            | ErrorKind::Busy
            | ErrorKind::Late
    )
}

/// How long a job's sandbox may be needed.
fn lifetime(job: &Job) -> Duration {
    let limits = &job.program.limits;
    let build = job
        .program
        .build
        .as_ref()
        .map_or(Duration::ZERO, |_| limits.build);
    let runs = job.runs.iter().map(|run| {
        let judge = run.judge.as_ref().map(|judge| judge.limits.wall);
        let wall = limits.wall.max(judge.unwrap_or_default());
        wall.saturating_add(Duration::from_secs(2))
    });
    runs.fold(build, Duration::saturating_add)
        .saturating_add(LIFETIME_SPARE)
}

/// Writes files, in one request where names allow it. `user` owns them; absent, the template's user.
async fn upload(
    sandbox: &Sandbox,
    files: &[(String, &[u8])],
    user: Option<&str>,
) -> Result<(), Error> {
    // What a form would have to escape goes by itself.
    let (plain, odd): (Vec<_>, Vec<_>) = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), *bytes))
        .partition(|(path, _)| !path.contains(['"', '\r', '\n', '\\']));
    sandbox.write_files(&plain, user).await?;
    for (path, bytes) in odd {
        sandbox.write_file(path, bytes.to_vec(), user).await?;
    }
    Ok(())
}

/// What an interpreter is called in the sandbox.
fn interpreter(program: &Program) -> Result<&str, InfrastructureError> {
    let command = &program.interpreter.command;
    if command.contains('/') {
        return Err(InfrastructureError::new(format!(
            "`{command}` is an interpreter of this machine and not in E2B's cloud: choose a `template` that has what the programs need, or `backend: local`"
        )));
    }
    Ok(command)
}

fn infrastructure(error: Error) -> InfrastructureError {
    let help = match error.kind {
        ErrorKind::KeyRefused => {
            ". Check E2B_API_KEY at https://e2b.dev/dashboard; `--backend local` runs on this machine"
        }
        ErrorKind::ConcurrencyLimit => ". Write `--jobs` with a smaller number, or end other runs",
        ErrorKind::PortClosed => {
            ". Mode `notebook` needs a template with the code interpreter, such as `code-interpreter-v1`"
        }
        _ => "",
    };
    InfrastructureError::new(format!("{error}{help}"))
}

/// An execution in the cloud, before anything is known of it.
fn execution(status: Status) -> Execution {
    Execution {
        status,
        reason: None,
        exit_code: None,
        signal: None,
        stdout: crate::execution::Captured::default(),
        stderr: crate::execution::Captured::default(),
        private: Vec::new(),
        judge: None,
        files: Vec::new(),
        wall: Duration::ZERO,
        cpu: Duration::ZERO,
        peak_memory: 0,
        backend: "e2b".to_owned(),
        // A virtual machine of its own, in somebody else's house.
        isolation: Isolation::Full,
    }
}
