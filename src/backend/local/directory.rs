//! Private directories of programs: made fresh, copied from a build, removed whatever stands in
//! them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::program::SourceFile;

/// A directory that is gone when this is.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    /// A fresh directory that only this user can enter.
    pub(super) fn new() -> io::Result<Directory> {
        let directory = tempfile::Builder::new()
            .prefix("rewardspec-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        Ok(Directory {
            path: directory.keep(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A directory in it with these files.
    pub(super) fn with_files(&self, name: &str, files: &[SourceFile]) -> io::Result<PathBuf> {
        let home = self.path.join(name);
        fs::DirBuilder::new().mode(0o700).create(&home)?;
        for file in files {
            let path = home.join(&file.path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, &file.bytes)?;
        }
        Ok(home)
    }

    /// A directory in it that is a copy of another.
    pub(super) fn copy_of(&self, name: &str, built: &Path) -> io::Result<PathBuf> {
        let home = self.path.join(name);
        copy(built, &home)?;
        Ok(home)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let target = to.join(entry.file_name());
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Removes a directory, also where a program took its own permissions away.
pub(super) fn remove(path: &Path) {
    if fs::remove_dir_all(path).is_ok() || !path.exists() {
        return;
    }
    open_up(path);
    let _ = fs::remove_dir_all(path);
}

fn open_up(path: &Path) {
    let _ = fs::set_permissions(path, Permissions::from_mode(0o700));
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
