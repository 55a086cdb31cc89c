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

use super::sandbox::sys;
use super::wire::{Answer, Ended, EndedBy, KILL, Order};
#[cfg(target_os = "linux")]
pub(super) use system::end_user;
use system::{Program, Reserved};

/// How often the tree's use is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);
/// Bytes kept of descriptor 4.
const PRIVATE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long the end of a tree may take.
const END_WITHIN: Duration = Duration::from_millis(1500);

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
        let mut reader = BufReader::new(self.socket.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let order: Order = serde_json::from_str(&line)?;
        let inputs = system::memory_file(&mut reader, order.stdin_bytes).and_then(|stdin| {
            let bytes = order.private_bytes;
            let private = bytes.map(|bytes| Private::new(system::memory_file(&mut reader, bytes)?));
            Ok((stdin, private.transpose()?))
        });
        let (stdin, private) = match inputs {
            Ok(inputs) => inputs,
            Err(error) => {
                return self.answer(&Answer::Failed(format!("keep a program's input: {error}")));
            }
        };
        let started = Instant::now();
        let (descriptors, private_output) = match private {
            None => (None, None),
            Some(private) => {
                let Private {
                    input,
                    output_read,
                    output_write,
                } = private;
                let output = PrivateOutput {
                    pipe: File::from(output_read),
                    bytes: Vec::new(),
                    is_open: true,
                };
                (Some((OwnedFd::from(input), output_write)), Some(output))
            }
        };
        // The program holds the descriptors now; this process keeps none that would hide its end.
        let program = match Program::start(&order, stdin, descriptors, &mut self.reserved) {
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
        let watched = match self.answer(&Answer::Started) {
            Ok(()) => self.watch(&mut program, order, started, private.as_mut()),
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
            wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            cpu_us: u64::try_from(used.cpu.as_micros()).unwrap_or(u64::MAX),
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

    /// Waits until the program ends, a limit is passed, or the supervisor asks or is gone.
    fn watch(
        &mut self,
        program: &mut Program,
        order: &Order,
        started: Instant,
        mut private: Option<&mut PrivateOutput>,
    ) -> Watched {
        let wall = Duration::from_millis(order.wall_ms);
        let mut sampled_bytes = 0;
        let mut sample_at = started + SAMPLE_EVERY;
        let mut samples = 0_u32;
        loop {
            let now = Instant::now();
            let pause = sample_at
                .saturating_duration_since(now)
                .min(wall.saturating_sub(started.elapsed()))
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
            let asked = !fds[0].revents().is_empty();
            drop(fds);
            if let Some(private) = private.as_mut() {
                private.read();
            }
            let over = |by| Watched::Over { by, sampled_bytes };
            if program.has_ended() {
                return over(None);
            }
            if asked {
                let mut byte = [0];
                return match self.socket.read(&mut byte) {
                    Ok(1) if byte[0] == KILL => over(Some(EndedBy::Supervisor)),
                    _ => Watched::Abandoned,
                };
            }
            if started.elapsed() >= wall {
                return over(Some(EndedBy::Wall));
            }
            if Instant::now() < sample_at {
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
        let (output_read, output_write) = io::pipe()?;
        let (output_read, output_write) = (OwnedFd::from(output_read), OwnedFd::from(output_write));
        rustix::io::ioctl_fionbio(&output_read, true)?;
        Ok(Private {
            input,
            output_read,
            output_write,
        })
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

/// The launcher's own ends of standard output and error, so that the supervisor sees their end.
fn close_outputs() {
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}
