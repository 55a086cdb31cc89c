//! What a program and its judge talk over: two pipes, one for each direction.
//!
//! Not a pair of sockets: those carry descriptors too, tell who made them, and end with an error
//! where something was not read.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// One side's descriptors. They block.
#[derive(Debug)]
pub(super) struct End {
    /// Where what the other side writes is read.
    pub(super) read: OwnedFd,
    /// Where what the other side reads is written.
    pub(super) write: OwnedFd,
}

impl End {
    /// The same end by other descriptors.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(End {
            read: self.read.try_clone()?,
            write: self.write.try_clone()?,
        })
    }

    /// Whether nobody is left who could write to it.
    pub(super) fn is_hung_up(&self) -> bool {
        let mut fds = [PollFd::new(&self.read, PollFlags::IN)];
        // Without an answer both sides are there.
        let _ = poll(&mut fds, Some(&Timespec::default()));
        fds[0].revents().contains(PollFlags::HUP)
    }
}

/// A channel: the program's end and the judge's. A side sees the end of the other once nobody holds
/// the other's descriptors any more, this process included.
pub(super) fn channel() -> io::Result<(End, End)> {
    let (judge_reads, program_writes) = io::pipe()?;
    let (program_reads, judge_writes) = io::pipe()?;
    let program = End {
        read: program_reads.into(),
        write: program_writes.into(),
    };
    let judge = End {
        read: judge_reads.into(),
        write: judge_writes.into(),
    };
    Ok((program, judge))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};

    use super::channel;

    #[test]
    fn each_side_sees_the_end_of_the_other() {
        let (program, judge) = channel().unwrap();
        let copy = program.try_clone().unwrap();
        File::from(program.write).write_all(b"said").unwrap();
        assert!(!judge.is_hung_up() && !copy.is_hung_up());
        drop((program.read, copy));
        // What was said can be read all the same.
        assert!(judge.is_hung_up());
        let mut heard = String::new();
        File::from(judge.read).read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "said");
        assert!(File::from(judge.write).write_all(b"x").is_err());
    }
}
