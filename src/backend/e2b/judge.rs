//! Judges in the cloud: processes of a sandbox's root, each in talk with a program of its user.
//!
//! The channel is local to the sandbox, so calls cost no requests. What a judge reports comes by its own
//! standard output, which nobody but root could write to; its files lie in a directory of root's.

use std::time::{Duration, Instant};

use super::script::{
    PRIVATE_BYTES_MAX, Ran, Said, USER, in_time, limits_of, lost, missing, named, script,
};
use super::{CLOUD_LATE, upload};
use crate::e2b::{Error, ErrorKind, NewProcess, ProcessEvent, Running, Sandbox, random_word};
use crate::execution::Execution;
use crate::program::{Judge, Limits};

const APART: &str = include_str!("apart.sh");
const JUDGE: &str = include_str!("judge.sh");
/// The user that judges are.
const ROOT: &str = "root";
/// Where root's directory is.
const HOME: &str = "/root";
/// What a judge says before its report.
const READY: &[u8] = b"ready\n";
/// How long a program may take to end by itself when its judge has: the words of both come over the
/// network.
pub(super) const MOMENT: Duration = Duration::from_secs(1);

/// A sandbox in which judges are out of the reach of programs.
pub(super) struct Apart {
    /// Their directory.
    place: String,
    interpreter: String,
}

impl Apart {
    /// Must come before anything of a program is in the sandbox.
    pub(super) async fn prepare(sandbox: &Sandbox, interpreter: &str) -> Result<Self, Error> {
        if !sandbox.is_secured() {
            return Err(refused("whoever is in it may act as its root"));
        }
        let name = format!("rewardspec-{}", random_word::<8>());
        let mut args = script(APART);
        args.extend([name.clone(), interpreter.to_owned(), USER.to_owned()]);
        let process = NewProcess {
            command: "/bin/bash".to_owned(),
            args,
            directory: Some(HOME.to_owned()),
            user: Some(ROOT.to_owned()),
            deadline: Some(CLOUD_LATE),
            ..NewProcess::default()
        };
        let said = in_time(CLOUD_LATE, async {
            sandbox.start(&process).await?.collect().await
        })
        .await?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        match said.trim_end().split_once(' ') {
            Some(("interpreter", path)) => Ok(Apart {
                place: format!("{HOME}/{name}"),
                interpreter: path.to_owned(),
            }),
            Some(("refused", why)) => Err(refused(why)),
            None if said == "missing\n" => Err(missing(interpreter)),
            _ => Err(lost("a sandbox could not be prepared for a judge")),
        }
    }

    /// Starts a judge, which waits for its program.
    pub(super) async fn start(&self, sandbox: &Sandbox, judge: &Judge) -> Result<Judging, Error> {
        let random = random_word::<8>();
        let home = format!("{}/{random}", self.place);
        let mut files: Vec<(String, &[u8])> = vec![
            // So that there is a directory, whatever the files are.
            (format!("{home}/.rewardspec"), &[]),
            (format!("{home}.order"), &judge.order),
        ];
        for file in &judge.files {
            files.push((format!("{home}/{}", file.path), &file.bytes));
        }
        upload(sandbox, &files, Some(ROOT)).await?;
        let channel = format!("/tmp/rewardspec-{random}");
        let limits = judge.limits;
        let mut args = script(JUDGE);
        args.push(channel.clone());
        args.extend(limits_of(&limits));
        args.extend(named(&judge.command, &self.interpreter));
        let process = NewProcess {
            command: "/bin/bash".to_owned(),
            args,
            directory: Some(home),
            user: Some(ROOT.to_owned()),
            // Ours comes before it.
            deadline: Some(limits.wall + 3 * CLOUD_LATE),
            ..NewProcess::default()
        };
        let started = Instant::now();
        let mut judging = Judging {
            process: in_time(CLOUD_LATE, sandbox.start(&process)).await?,
            pid: 0,
            channel,
            limits,
            said: Vec::new(),
            started,
            // Until its program has started.
            deadline: started + 3 * CLOUD_LATE,
            ran: Ran::new(limits.output),
        };
        let ready = async {
            while judging.said.len() < READY.len() && !judging.is_over() {
                judging.hear().await?;
            }
            if judging.said.starts_with(READY) {
                Ok(())
            } else {
                Err(lost("a judge could not be started"))
            }
        };
        in_time(CLOUD_LATE, ready).await?;
        Ok(judging)
    }
}

fn refused(why: &str) -> Error {
    let message = format!("the sandbox cannot keep a judge from programs: {why}");
    Error::new(ErrorKind::Refused, "run tests apart", message)
}

/// A judge that was started.
pub(super) struct Judging {
    process: Running,
    pid: u32,
    channel: String,
    limits: Limits,
    /// That it is ready, then its report.
    said: Vec<u8>,
    started: Instant,
    deadline: Instant,
    ran: Ran,
}

impl Judging {
    /// The directory of its channel.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Its program has started: its time is counted from now on.
    pub(super) fn begin(&mut self) {
        self.started = Instant::now();
        self.deadline = self.started + self.limits.wall;
    }

    /// Whether it ended, or has to.
    pub(super) fn is_over(&self) -> bool {
        self.ran.ended.is_some() || self.ran.is_late || self.ran.is_flooded
    }

    /// Hears what happens next.
    pub(super) async fn hear(&mut self) -> Result<(), Error> {
        let event = tokio::select! {
            event = self.process.next() => event,
            () = tokio::time::sleep_until(self.deadline.into()) => {
                self.ran.is_late = true;
                return Ok(());
            }
        };
        match event {
            Ok(Some(ProcessEvent::Started { pid })) => self.pid = pid,
            Ok(Some(ProcessEvent::Stdout(bytes))) => self.said.extend(bytes),
            Ok(Some(ProcessEvent::Stderr(bytes))) => self.ran.stderr.add(&bytes),
            Ok(Some(ProcessEvent::Ended {
                exit_code, status, ..
            })) => self.ran.ended = Some((exit_code, status)),
            Ok(None) => return Err(lost("a judge ended without a word")),
            Err(error) if error.kind == ErrorKind::Late => self.ran.is_late = true,
            Err(error) => return Err(error),
        }
        self.ran.is_flooded = self.said.len() > READY.len() + PRIVATE_BYTES_MAX;
        Ok(())
    }

    /// Its program has ended, and so will it.
    pub(super) async fn finish(mut self, sandbox: &Sandbox) -> Result<Execution, Error> {
        while !self.is_over() {
            self.hear().await?;
        }
        self.ran.wall = self.started.elapsed();
        if self.ran.ended.is_none() {
            in_time(CLOUD_LATE, sandbox.kill_process(self.pid)).await?;
        }
        let report = match self.ran.is_flooded {
            true => Vec::new(),
            false => self.said.split_off(READY.len()),
        };
        Ok(Execution {
            private: report,
            ..self.ran.execution(&self.limits, &Said::default())
        })
    }
}
