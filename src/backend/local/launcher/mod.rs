//! The launcher: a small process between the supervisor and one program that has no namespaces.
//!
//! It is this executable, re-executed under a private variable. It stays single-threaded, watches
//! clock, CPU and memory, and when the program is over leaves nothing of its tree behind. If the
//! supervisor goes away, so does all.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "portable.rs"]
mod system;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::channel::End;
use super::clock::Clock;
use super::sandbox::sys;
use super::wire::{self, Answer, Ended, EndedBy, KILL, Order, Side, TALK_OVER, TALK_OVER_GRACE};
#[cfg(target_os = "linux")]
pub(super) use system::end_user;
use system::{Program, Reserved};

/// How often the tree's use is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);
/// Bytes kept of descriptor 4.
const PRIVATE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long the end of a tree may take, each thread of which needs a core for that. What is left then
/// may live on.
const END_WITHIN: Duration = Duration::from_secs(10);

/// Serves one order and ends the process; standard input is the control socket.
pub(super) fn serve() -> ! {
    let code = match Launcher::new().and_then(|mut launcher| launcher.serve()) {
        Ok(()) => 0,
        Err(_) => 1,
    };
    sys::exit(code)
}

struct Launcher {
    socket: UnixStream,
    reserved: Reserved,
}

impl Launcher {
    fn new() -> io::Result<Self> {
        let reserved = Reserved::new()?;
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        if let Ok(null) = File::open("/dev/null") {
            let _ = rustix::stdio::dup2_stdin(&null);
        }
        Ok(Launcher { socket, reserved })
    }

    fn serve(&mut self) -> io::Result<()> {
        system::adopt_orphans()?;
        let _ = rustix::process::setsid();
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let channel = wire::receive_channel(&self.socket)?;
        let mut reader = BufReader::new(self.socket.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let order: Order = serde_json::from_str(&line)?;
        let inputs = match Inputs::of(&order, channel, &mut reader) {
            Ok(inputs) => inputs,
            Err(error) => {
                return self.answer(&Answer::Failed(format!("keep a program's input: {error}")));
            }
        };
        let Inputs {
            stdin,
            private,
            private_output,
        } = inputs;
        let started = Instant::now();
        // The program holds the descriptors now; this process keeps none that would hide its end.
        let program = match Program::start(&order, stdin, private, &mut self.reserved) {
            Ok(program) => program,
            Err(message) => return self.answer(&Answer::Failed(message)),
        };
        close_outputs();
        self.see_to(program, &order, started, private_output)
    }

    fn see_to(
        &mut self,
        mut program: Program,
        order: &Order,
        started: Instant,
        mut private: Option<PrivateOutput>,
    ) -> io::Result<()> {
        let mut clock = Clock::new(Duration::from_millis(order.wall_ms));
        let watched = match self.answer(&Answer::Started) {
            Ok(()) => self.watch(&mut program, order, started, &mut clock, private.as_mut()),
            Err(_) => Watched::Abandoned,
        };
        let Watched::Over { by, sampled_bytes } = watched else {
            program.end_tree(END_WITHIN);
            super::directory::remove(&order.remove);
            return Ok(());
        };
        let end = program.end(by.is_some())?;
        let wall = started.elapsed();
        let crowded = by.is_none() && end.exit_code != Some(0) && program.is_crowded();
        program.end_tree(END_WITHIN);
        let used = sys::used_by_children();
        let private = private
            .as_mut()
            .map(PrivateOutput::drain)
            .unwrap_or_default();
        let ended = Ended {
            exit_code: end.exit_code,
            signal: end.signal,
            by,
            crowded,
            wall_us: microseconds(wall),
            excused_us: microseconds(clock.excused()),
            cpu_us: microseconds(used.cpu),
            peak_bytes: used.largest_bytes.max(sampled_bytes),
            full: system::full(order),
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

    /// Whether the supervisor says something now, or is gone.
    fn has_word(&self) -> bool {
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        let _ = poll(&mut fds, Some(&Timespec::default()));
        !fds[0].revents().is_empty()
    }

    /// What the supervisor says, if it says something now; 0 when it is gone.
    fn word(&mut self) -> Option<u8> {
        if !self.has_word() {
            return None;
        }
        let mut byte = [0];
        let _ = self.socket.read(&mut byte);
        Some(byte[0])
    }

    /// Waits until the program ends, a limit is passed, or the supervisor asks or is gone.
    fn watch(
        &mut self,
        program: &mut Program,
        order: &Order,
        started: Instant,
        clock: &mut Clock,
        mut private: Option<&mut PrivateOutput>,
    ) -> Watched {
        let mut end_at = started + clock.ends_at();
        let mut end_by = EndedBy::Wall;
        let mut sampled_bytes = 0;
        let mut sample_at = started + SAMPLE_EVERY;
        let mut samples = 0_u32;
        loop {
            let now = Instant::now();
            let pause = sample_at
                .min(end_at)
                .saturating_duration_since(now)
                .min(program.look_again_within());
            let pause = Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(pause.subsec_nanos()),
            };
            let mut fds = vec![PollFd::new(&self.socket, PollFlags::IN)];
            if let Some(private) = private.as_ref().filter(|private| private.is_open) {
                fds.push(PollFd::new(&private.pipe, PollFlags::IN));
            }
            if let Some(end) = program.end_descriptor() {
                fds.push(PollFd::from_borrowed_fd(end, PollFlags::IN));
            }
            if poll(&mut fds, Some(&pause)).is_err() {
                continue;
            }
            drop(fds);
            if let Some(private) = private.as_mut() {
                private.read();
            }
            let over = |by| Watched::Over { by, sampled_bytes };
            let has_ended = program.has_ended();
            // After that: a program that ended because its talk was over did so after that was said.
            let word = self.word();
            if let Some(TALK_OVER) = word {
                (end_at, end_by) = (Instant::now() + TALK_OVER_GRACE, EndedBy::Judge);
            }
            if has_ended {
                // What ends before has waited for nothing that matters.
                if started.elapsed() >= SAMPLE_EVERY {
                    let cpu = program.used_now().cpu + sys::used_by_children().cpu;
                    look(clock, started, cpu, program, order);
                }
                return over((end_by == EndedBy::Judge).then_some(end_by));
            }
            match word {
                None | Some(TALK_OVER) => {}
                Some(KILL) => return over(Some(EndedBy::Supervisor)),
                Some(_) => return Watched::Abandoned,
            }
            let is_late = Instant::now() >= end_at;
            if is_late && end_by != EndedBy::Wall {
                return over(Some(end_by));
            }
            if Instant::now() < sample_at && !is_late {
                continue;
            }
            sample_at = Instant::now() + SAMPLE_EVERY;
            samples += 1;
            let mut used = program.used_now();
            if used.memory_bytes > order.memory_bytes {
                let exact = program.proportional_bytes();
                used.memory_bytes = exact.unwrap_or(used.memory_bytes);
            }
            sampled_bytes = sampled_bytes.max(used.memory_bytes);
            let over = |by| Watched::Over { by, sampled_bytes };
            // Before memory: what many processes share is counted for each.
            if let Some(by) = system::beyond_confinement(order, used, samples) {
                return over(Some(by));
            }
            if used.memory_bytes > order.memory_bytes {
                return over(Some(EndedBy::Memory));
            }
            let cpu = used.cpu + sys::used_by_children().cpu;
            if cpu > Duration::from_millis(order.cpu_ms) {
                return over(Some(EndedBy::Cpu));
            }
            // Of two, nothing else tells when the other begins.
            let is_due = clock.is_due(started.elapsed()) || order.beside.is_some();
            if end_by == EndedBy::Wall && (is_late || is_due) {
                look(clock, started, cpu, program, order);
                // What came meanwhile came in time: it may be this process that had to wait.
                if clock.is_over() && !program.has_ended() && !self.has_word() {
                    return over(Some(EndedBy::Wall));
                }
                end_at = started + clock.ends_at();
            }
        }
    }
}

/// Charges a program what passed.
fn look(clock: &mut Clock, started: Instant, used: Duration, program: &Program, order: &Order) {
    let elapsed = started.elapsed();
    let (trees, is_held) = program.threads(order.beside);
    clock.look(elapsed, used, trees, is_held);
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

enum Watched {
    Over {
        by: Option<EndedBy>,
        sampled_bytes: u64,
    },
    Abandoned,
}

/// What the program gets besides standard output and error, which are this process's.
struct Inputs {
    stdin: File,
    /// Descriptors 3 and 4.
    private: Option<(OwnedFd, OwnedFd)>,
    private_output: Option<PrivateOutput>,
}

impl Inputs {
    fn of(order: &Order, channel: Option<End>, reader: &mut impl Read) -> io::Result<Self> {
        let mut inputs = Inputs {
            stdin: system::memory_file(reader, order.stdin_bytes)?,
            private: None,
            private_output: None,
        };
        if let Some(bytes) = order.private_bytes {
            let input = system::memory_file(reader, bytes)?;
            let (output, write) = PrivateOutput::new()?;
            inputs.private = Some((OwnedFd::from(input), write));
            inputs.private_output = Some(output);
        }
        match (order.channel, channel) {
            (None, _) => {}
            (Some(_), None) => return Err(io::Error::other("its channel was lost")),
            (Some(Side::Program), Some(end)) => inputs.private = Some((end.read, end.write)),
            (Some(Side::Judge), Some(end)) => {
                inputs.stdin = File::from(end.read);
                rustix::stdio::dup2_stdout(&end.write)?;
            }
        }
        Ok(inputs)
    }
}

/// The launcher's end of descriptor 4.
struct PrivateOutput {
    pipe: File,
    bytes: Vec<u8>,
    is_open: bool,
}

impl PrivateOutput {
    /// Nothing is read yet; beside, what the program writes to.
    fn new() -> io::Result<(Self, OwnedFd)> {
        let (read, write) = io::pipe()?;
        let read = OwnedFd::from(read);
        rustix::io::ioctl_fionbio(&read, true)?;
        let output = PrivateOutput {
            pipe: File::from(read),
            bytes: Vec::new(),
            is_open: true,
        };
        Ok((output, write.into()))
    }

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

/// The launcher's own ends of standard output and error, so that the supervisor sees their end.
fn close_outputs() {
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}
