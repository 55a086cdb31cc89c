//! Files that a program left, read by name when it has ended.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::path::Arg;

use super::super::output::Kept;
use crate::execution::{Captured, LeftFile};

/// Reads files of a directory that nobody uses any more, at most `bytes_max` of each. What is no
/// plain file, or is reached by a link, is as if it were not there: a link may lead anywhere.
pub(super) fn read(directory: impl AsFd, paths: &[String], bytes_max: u64) -> Vec<LeftFile> {
    unshut(&directory);
    paths
        .iter()
        .map(|path| LeftFile {
            path: path.clone(),
            content: content(directory.as_fd(), path, bytes_max),
        })
        .collect()
}

/// The same of the directory at a path. One that the program has taken away is as if it were empty.
pub(super) fn read_at(home: &Path, paths: &[String], bytes_max: u64) -> Vec<LeftFile> {
    match open(rustix::fs::CWD, home, OFlags::DIRECTORY) {
        Some(directory) => read(directory, paths, bytes_max),
        None => paths
            .iter()
            .map(|path| LeftFile {
                path: path.clone(),
                content: None,
            })
            .collect(),
    }
}

fn content(directory: std::os::fd::BorrowedFd<'_>, path: &str, bytes_max: u64) -> Option<Captured> {
    let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut inside: Option<OwnedFd> = None;
    for part in parents.split('/').filter(|part| !part.is_empty()) {
        let at = inside.as_ref().map_or(directory, OwnedFd::as_fd);
        let opened = open(at, part, OFlags::DIRECTORY)?;
        unshut(&opened);
        inside = Some(opened);
    }
    let at = inside.as_ref().map_or(directory, OwnedFd::as_fd);
    // Asked before it is opened: opening a device or a pipe may do something.
    let kind = rustix::fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if FileType::from_raw_mode(kind.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut file = File::from(open(at, name, OFlags::empty())?);
    let mut kept = Kept::new(bytes_max);
    let mut chunk = [0; 64 * 1024];
    loop {
        match std::io::Read::read(&mut file, &mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(count) => kept.add(&chunk[..count]),
        }
        // More than is kept is not compared: that it is more is all there is to know.
        if kept.total() > bytes_max {
            break;
        }
    }
    Some(kept.finish(bytes_max))
}

/// Gives back what a program took of its own permissions to look for names in a directory.
fn unshut(directory: impl AsFd) {
    // Where that fails nothing is found.
    let _ = rustix::fs::fchmod(directory, Mode::from_raw_mode(0o700));
}

fn open(at: impl AsFd, name: impl Arg + Copy, more: OFlags) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | more;
    let opened = rustix::fs::openat(&at, name, flags, Mode::empty());
    opened
        .or_else(|error| {
            // Permissions that the program took from itself. Nobody uses the directory any more, so
            // what was asked for is still what has the name.
            let kind = rustix::fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(kind.st_mode) == FileType::Symlink {
                return Err(error);
            }
            rustix::fs::chmodat(&at, name, Mode::from_raw_mode(0o700), AtFlags::empty())?;
            rustix::fs::openat(&at, name, flags, Mode::empty())
        })
        .ok()
}
