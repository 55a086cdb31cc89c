//! The launcher: a small process between the supervisor and one program.
//!
//! It is this executable, re-executed under a private variable. It stays single-threaded, becomes
//! the subreaper of everything the program makes, watches clock, CPU and memory, and when the
//! program is over leaves nothing of its tree behind. If the supervisor goes away, so does all.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::tree;
use super::wire::{Answer, Ended, EndedBy, KILL, Order};

/// How often the tree's use is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);
/// Bytes kept of descriptor 4.
const PRIVATE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long the end of a tree may take.
const END_WITHIN: Duration = Duration::from_millis(1500);

/// Serves one order and ends the process; standard input is the control socket.
pub(super) fn serve() -> ! {
    // SAFETY: descriptor 0 is the control socket that the supervisor put there; nothing else in
    // this process uses or owns it.
    let socket = unsafe { UnixStream::from_raw_fd(0) };
    let code = match Launcher::new(socket).serve() {
        Ok(()) => 0,
        Err(_) => 1,
    };
    #[expect(
        clippy::exit,
        reason = "the launcher is a process of its own that serves one order"
    )]
    std::process::exit(code)
}

struct Launcher {
    socket: UnixStream,
}

impl Launcher {
    fn new(socket: UnixStream) -> Self {
        Launcher { socket }
    }

    fn serve(&mut self) -> io::Result<()> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let _ = rustix::process::setsid();
        let mut reader = BufReader::new(self.socket.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let order: Order = serde_json::from_str(&line)?;
        let stdin = memory_file(&mut reader, order.stdin_bytes)?;
        let private = match order.private_bytes {
            Some(bytes) => Some(Private::new(memory_file(&mut reader, bytes)?)?),
            None => None,
        };
        let started = Instant::now();
        let child = match spawn(&order, stdin, private.as_ref()) {
            Ok(child) => child,
            Err(error) => {
                let message = format!(
                    "cannot execute `{}`: {error}",
                    order.command.first().map_or("", String::as_str)
                );
                return self.answer(&Answer::Failed(message));
            }
        };
        // The program holds the descriptors now; this process keeps none that would hide its end.
        let mut private_output = private.map(Private::keep_output);
        close_outputs();
        let told = self.answer(&Answer::Started);
        let by = match told {
            Ok(()) => self.watch(&child, &order, started, private_output.as_mut()),
            Err(_) => Watched::Abandoned,
        };
        let (by, sampled_bytes) = match by {
            Watched::Over { by, sampled_bytes } => (by, sampled_bytes),
            Watched::Abandoned => {
                tree::end_all(END_WITHIN);
                super::directory::remove(&order.remove);
                return Ok(());
            }
        };
        self.end(child, by, sampled_bytes, started, private_output)
    }

    fn end(
        &mut self,
        mut child: Child,
        by: Option<EndedBy>,
        sampled_bytes: u64,
        started: Instant,
        mut private_output: Option<PrivateOutput>,
    ) -> io::Result<()> {
        if by.is_some() {
            let _ = child.kill();
        }
        let status = child.wait()?;
        let wall = started.elapsed();
        tree::end_all(END_WITHIN);
        let used = reaped_usage();
        let private = private_output
            .as_mut()
            .map(PrivateOutput::drain)
            .unwrap_or_default();
        let ended = Ended {
            exit_code: status.code(),
            signal: status.signal(),
            by,
            wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            cpu_us: u64::try_from(used.cpu.as_micros()).unwrap_or(u64::MAX),
            peak_bytes: used.largest_bytes.max(sampled_bytes),
            private_bytes: private.len(),
        };
        self.answer(&Answer::Ended(ended))?;
        self.socket.write_all(private)
    }

    fn answer(&mut self, answer: &Answer) -> io::Result<()> {
        let mut line = serde_json::to_vec(answer)?;
        line.push(b'\n');
        self.socket.write_all(&line)
    }

    /// Waits until the program ends, a limit is passed, or the supervisor asks or is gone.
    fn watch(
        &mut self,
        child: &Child,
        order: &Order,
        started: Instant,
        mut private: Option<&mut PrivateOutput>,
    ) -> Watched {
        let wall = Duration::from_millis(order.wall_ms);
        let cpu = Duration::from_millis(order.cpu_ms);
        let mut sampled_bytes = 0;
        let Some(pid) = i32::try_from(child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        else {
            return Watched::Abandoned;
        };
        let Ok(pidfd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
        else {
            return Watched::Abandoned;
        };
        loop {
            let mut fds = vec![
                PollFd::new(&pidfd, PollFlags::IN),
                PollFd::new(&self.socket, PollFlags::IN),
            ];
            if let Some(private) = private.as_ref().filter(|private| private.is_open) {
                fds.push(PollFd::new(&private.pipe, PollFlags::IN));
            }
            let pause = SAMPLE_EVERY.min(wall.saturating_sub(started.elapsed()));
            let pause = Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(pause.subsec_nanos()),
            };
            if poll(&mut fds, Some(&pause)).is_err() {
                continue;
            }
            let (ended, asked) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            drop(fds);
            if let Some(private) = private.as_mut() {
                private.read();
            }
            if ended {
                return Watched::Over {
                    by: None,
                    sampled_bytes,
                };
            }
            if asked {
                let mut byte = [0];
                return match self.socket.read(&mut byte) {
                    Ok(1) if byte[0] == KILL => Watched::Over {
                        by: Some(EndedBy::Supervisor),
                        sampled_bytes,
                    },
                    _ => Watched::Abandoned,
                };
            }
            if started.elapsed() >= wall {
                return Watched::Over {
                    by: Some(EndedBy::Wall),
                    sampled_bytes,
                };
            }
            let usage = tree::usage();
            sampled_bytes = sampled_bytes.max(usage.memory_bytes);
            if usage.memory_bytes > order.memory_bytes {
                return Watched::Over {
                    by: Some(EndedBy::Memory),
                    sampled_bytes,
                };
            }
            if usage.cpu + reaped_usage().cpu > cpu {
                return Watched::Over {
                    by: Some(EndedBy::Cpu),
                    sampled_bytes,
                };
            }
        }
    }
}

enum Watched {
    Over {
        by: Option<EndedBy>,
        sampled_bytes: u64,
    },
    Abandoned,
}

/// The descriptors 3 and 4 of the program.
struct Private {
    input: File,
    output_read: OwnedFd,
    output_write: OwnedFd,
}

impl Private {
    fn new(input: File) -> io::Result<Self> {
        let (output_read, output_write) =
            rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&output_read, true)?;
        Ok(Private {
            input,
            output_read,
            output_write,
        })
    }

    fn keep_output(self) -> PrivateOutput {
        PrivateOutput {
            pipe: File::from(self.output_read),
            bytes: Vec::new(),
            is_open: true,
        }
    }
}

/// The launcher's end of descriptor 4.
struct PrivateOutput {
    pipe: File,
    bytes: Vec<u8>,
    is_open: bool,
}

impl PrivateOutput {
    /// Reads what there is.
    fn read(&mut self) {
        let mut chunk = [0; 65536];
        while self.is_open {
            match self.pipe.read(&mut chunk) {
                Ok(0) => self.is_open = false,
                Ok(count) => {
                    self.bytes.extend_from_slice(&chunk[..count]);
                    if self.bytes.len() > PRIVATE_BYTES_MAX {
                        self.bytes.truncate(PRIVATE_BYTES_MAX);
                        self.is_open = false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn drain(&mut self) -> &[u8] {
        self.read();
        &self.bytes
    }
}

/// Bytes from the socket as a file without a name, read-only and at its beginning.
fn memory_file(reader: &mut impl Read, bytes: usize) -> io::Result<File> {
    let memory = rustix::fs::memfd_create(c"input", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memory);
    let copied = io::copy(&mut reader.take(bytes as u64), &mut file)?;
    if copied != bytes as u64 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.rewind()?;
    // Opened anew, so that the program cannot write to it.
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn spawn(order: &Order, stdin: File, private: Option<&Private>) -> io::Result<Child> {
    let (program, arguments) = order
        .command
        .split_first()
        .ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(&order.directory)
        .env_clear()
        .stdin(Stdio::from(stdin));
    command.envs(order.environment.iter().map(|(name, value)| (name, value)));
    let private =
        private.map(|private| (private.input.as_raw_fd(), private.output_write.as_raw_fd()));
    let cpu_seconds = order.cpu_ms.div_ceil(1000) + 1;
    let open_files = order.open_files;
    // SAFETY: the closure runs between fork and exec and makes only system calls that are safe
    // there; it allocates nothing and touches no lock.
    unsafe {
        command.pre_exec(move || prepare(private, cpu_seconds, open_files));
    }
    command.spawn()
}

/// What happens between fork and exec: limits, signals, descriptors.
fn prepare(private: Option<(RawFd, RawFd)>, cpu_seconds: u64, open_files: u64) -> io::Result<()> {
    let limit = |resource, soft: u64, hard: u64| {
        let limit = libc::rlimit {
            rlim_cur: soft,
            rlim_max: hard,
        };
        // SAFETY: the pointer is to a live value of the right type.
        check(unsafe { libc::setrlimit(resource, &raw const limit) })
    };
    limit(libc::RLIMIT_CORE, 0, 0)?;
    // A backstop behind the sampled CPU time of the whole tree.
    limit(libc::RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)?;
    // SAFETY: plain system calls; the signal set is a live local value.
    unsafe {
        libc::umask(0o022);
        check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        check(libc::sigprocmask(
            libc::SIG_SETMASK,
            &raw const none,
            std::ptr::null_mut(),
        ))?;
        // Rust ignores SIGPIPE; a program expects the default.
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
    if let Some((input, output)) = private {
        // Moved up first, so that neither is overwritten before it is put into its place.
        // SAFETY: both are open descriptors of this process; 3 and 4 are made for the program.
        unsafe {
            let input = check(libc::fcntl(input, libc::F_DUPFD_CLOEXEC, 10))?;
            let output = check(libc::fcntl(output, libc::F_DUPFD_CLOEXEC, 10))?;
            check(libc::dup2(input, 3))?;
            check(libc::dup2(output, 4))?;
        }
    }
    let first_closed = if private.is_some() { 5 } else { 3 };
    // SAFETY: marks descriptors for closing at exec and closes none now: the standard library
    // still reports a failed exec over one of them.
    check(unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first_closed,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        ) as libc::c_int
    })?;
    limit(libc::RLIMIT_NOFILE, open_files, open_files)?;
    Ok(())
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The launcher's own ends of standard output and error, so that the supervisor sees their end.
fn close_outputs() {
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

struct Reaped {
    cpu: Duration,
    largest_bytes: u64,
}

/// What all reaped descendants used.
fn reaped_usage() -> Reaped {
    // SAFETY: an all-zero rusage is valid, and the call fills it in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage);
        usage
    };
    let duration = |time: libc::timeval| {
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
            + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
    };
    Reaped {
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        largest_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    }
}
