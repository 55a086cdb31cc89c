//! The supervisor's side of fork servers: which a slot has, and which program may be a fork.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, Signal};

use super::supervise::RunOf;
use super::wire::{NotServing, Request, ServerOrder, Serving};
use super::{InStep, memory_file, sys, wire};
use crate::program::ForkServer;

/// Servers that a slot keeps; each has an interpreter's memory.
const SERVERS_KEPT: usize = 3;
/// Programs after which a server is started anew, whatever it may have gathered by then.
const FORKS_MAX: u32 = 5000;

/// Single letters that an interpreter's option may be made of and that take no value (python(1)).
const OPTIONS: &str = "bBdEIOPqsSuv";

/// The fork servers of one slot. The one used last is first.
#[derive(Debug, Default)]
pub(super) struct Forks {
    servers: Vec<Server>,
    next: u32,
}

/// Why a program cannot be a fork though it was to be.
#[derive(Debug)]
pub(super) enum Unserved {
    /// What is to be preloaded cannot be.
    Refused(String),
    /// The slot did not answer.
    Lost(String),
}

/// The server that a program is to be a fork of.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) number: u32,
    /// Those of the program's files that it has compiled.
    pub(super) known: Vec<String>,
}

/// What servers are told apart by.
#[derive(Debug, PartialEq)]
struct Kind {
    command: Vec<String>,
    environment: Vec<(String, String)>,
    holds: Arc<ForkServer>,
}

#[derive(Debug)]
struct Server {
    kind: Kind,
    number: u32,
    /// Absent where it could not be started: its programs are started by themselves.
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    _process: Process,
    names: BTreeSet<String>,
    forks: u32,
}

/// The process of a server; ends with this value.
#[derive(Debug)]
struct Process(i32, OwnedFd);

impl Process {
    fn of(pid: i32) -> Result<Self, Unserved> {
        let (pid, pidfd) = held(pid).map_err(Unserved::Lost)?;
        Ok(Process(pid, pidfd))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = rustix::process::pidfd_send_signal(&self.1, Signal::KILL);
        let _ = sys::wait(self.0);
    }
}

impl Forks {
    /// The server that a program can be a fork of; none where it must be started by
    /// itself.
    pub(super) fn server(
        &mut self,
        control: &OwnedFd,
        run: &RunOf,
        holds: &Arc<ForkServer>,
    ) -> Result<Option<Chosen>, Unserved> {
        let Some(words) = interpreter_of(&run.command) else {
            return Ok(None);
        };
        let found = self.servers.iter().position(|server| {
            let state = server.state.as_ref();
            state.is_none_or(|state| state.forks < FORKS_MAX)
                && server.kind.command == run.command[..words]
                && server.kind.environment == run.environment
                && (Arc::ptr_eq(&server.kind.holds, holds) || server.kind.holds == *holds)
        });
        match found {
            Some(index) => self.servers[..=index].rotate_right(1),
            None => {
                for server in self
                    .servers
                    .drain(self.servers.len().min(SERVERS_KEPT - 1)..)
                {
                    close(control, server)?;
                }
                let kind = Kind {
                    command: run.command[..words].to_vec(),
                    environment: run.environment.clone(),
                    holds: Arc::clone(holds),
                };
                let number = self.next;
                self.next = self.next.wrapping_add(1);
                let state = start(control, number, &kind)?;
                let server = Server {
                    kind,
                    number,
                    state,
                };
                self.servers.insert(0, server);
            }
        }
        let server = &mut self.servers[0];
        let Some(state) = &mut server.state else {
            return Ok(None);
        };
        // An interpreter that starts finds such a file where a fork has the module already.
        let is_shadowed = run.files.iter().any(|(path, _, _)| {
            let name = path.split(['/', '.']).next().unwrap_or_default();
            state.names.contains(name)
        });
        if is_shadowed {
            return Ok(None);
        }
        state.forks += 1;
        let is_known = |path: &str, bytes: &[u8]| {
            let mut scripts = holds.scripts.iter();
            scripts.any(|script| script.path == path && *script.bytes == *bytes)
        };
        let files = run.files.iter();
        let known = files.filter(|(path, bytes, _)| is_known(path, bytes));
        let known = known.map(|(path, _, _)| path.clone()).collect();
        let number = server.number;
        Ok(Some(Chosen { number, known }))
    }
}

/// How many words of a command are the interpreter and its options; none where what follows is not
/// a script.
fn interpreter_of(command: &[String]) -> Option<usize> {
    let is_option = |word: &&String| {
        word.strip_prefix('-').is_some_and(|letters| {
            !letters.is_empty() && letters.chars().all(|one| OPTIONS.contains(one))
        })
    };
    let options = command.iter().skip(1).take_while(is_option).count();
    let script = command.get(1 + options)?;
    (!script.starts_with('-')).then_some(1 + options)
}

fn start(control: &OwnedFd, number: u32, kind: &Kind) -> Result<Option<State>, Unserved> {
    let scripts = kind.holds.scripts.iter().filter_map(|script| {
        let text = String::from_utf8(script.bytes.to_vec()).ok()?;
        Some((script.path.clone(), text))
    });
    let order = ServerOrder {
        command: kind.command.clone(),
        environment: kind.environment.clone(),
        preload: kind.holds.preload.clone(),
        scripts: scripts.collect(),
    };
    let asked = || -> Result<_, String> {
        let order = serde_json::to_vec(&order).map_err(|error| error.to_string())?;
        let order = memory_file([order.as_slice()]).in_step("write an order")?;
        wire::send(control, &Request::Serve(number), &[order.as_fd()])
            .in_step("order a fork server")?;
        let answer = wire::receive::<Result<Serving, NotServing>>(control);
        let answer = answer.in_step("hear a slot")?;
        answer
            .map(|(answer, _)| answer)
            .ok_or_else(|| "a slot ended while it started a fork server".to_owned())
    };
    match asked().map_err(Unserved::Lost)? {
        Ok(Serving { pid, names }) => Ok(Some(State {
            _process: Process::of(pid)?,
            names: names.into_iter().collect(),
            forks: 0,
        })),
        Err(NotServing {
            message,
            is_refusal,
            pid,
        }) => {
            drop(pid.map(Process::of).transpose()?);
            if is_refusal {
                Err(Unserved::Refused(message))
            } else {
                Ok(None)
            }
        }
    }
}

/// Ends a server: the slot lets go of it first, so that it never asks a process that is gone.
fn close(control: &OwnedFd, server: Server) -> Result<(), Unserved> {
    let closed = wire::send(control, &Request::Close(server.number), &[]);
    closed
        .in_step("close a fork server")
        .map_err(Unserved::Lost)
}

/// A process of this one's children, by its number, and what holds it.
pub(super) fn held(pid: i32) -> Result<(i32, OwnedFd), String> {
    // A child that is not waited for keeps its id: this is the process meant.
    let id = Pid::from_raw(pid).ok_or("a process has the id 0")?;
    let pidfd = rustix::process::pidfd_open(id, PidfdFlags::empty()).in_step("hold a process")?;
    Ok((pid, pidfd))
}
