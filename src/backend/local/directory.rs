//! Private directories of programs: made fresh, read after a build, removed whatever stands in
//! them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::builds::FileOf;
use crate::program::SourceFile;

/// A directory that is gone when this is.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// The user and group that its contents belong to, when they are not this process's.
    owner: Option<u32>,
}

impl Directory {
    /// A fresh directory that only this user can enter; or, where what lies in it is to belong to
    /// another user, that can be passed through and not listed.
    pub(super) fn new(owner: Option<u32>) -> io::Result<Directory> {
        let mode = if owner.is_some() { 0o711 } else { 0o700 };
        let directory = tempfile::Builder::new()
            .prefix("rewardspec-")
            .permissions(Permissions::from_mode(mode))
            .tempdir()?;
        Ok(Directory {
            path: directory.keep(),
            owner,
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
        self.hand_over(&home)?;
        Ok(home)
    }

    /// A directory in it with the files that a build left: path, content, mode.
    pub(super) fn with_built(&self, name: &str, files: &[FileOf]) -> io::Result<PathBuf> {
        let home = self.path.join(name);
        fs::DirBuilder::new().mode(0o700).create(&home)?;
        for (path, bytes, mode) in files {
            let path = home.join(path);
            if let Some(parent) = path.parent() {
                fs::DirBuilder::new()
                    .mode(0o700)
                    .recursive(true)
                    .create(parent)?;
            }
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, Permissions::from_mode(*mode))?;
        }
        self.hand_over(&home)?;
        Ok(home)
    }

    /// Nobody else uses the directory yet: what its paths name is what was just written.
    fn hand_over(&self, path: &Path) -> io::Result<()> {
        let Some(owner) = self.owner else {
            return Ok(());
        };
        std::os::unix::fs::lchown(path, Some(owner), Some(owner))?;
        if fs::symlink_metadata(path)?.is_dir() {
            for entry in fs::read_dir(path)? {
                self.hand_over(&entry?.path())?;
            }
        }
        Ok(())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// The regular files that a build left below a directory which nobody uses any more: path, content,
/// mode. Links are not followed; what has no name in UTF-8 is as if it were not there.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`] when that is more than `bytes_max`, holes in files counted.
pub(super) fn files_of(root: &Path, bytes_max: u64) -> io::Result<Vec<FileOf>> {
    let mut left = bytes_max;
    let mut files = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        // Its owner may have taken the right to read from itself.
        let _ = fs::set_permissions(&directory, Permissions::from_mode(0o700));
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let (data, path) = (entry.metadata()?, entry.path());
            if data.is_dir() {
                directories.push(path);
                continue;
            }
            let name = path.strip_prefix(root).ok().and_then(Path::to_str);
            let (true, Some(name)) = (data.is_file(), name) else {
                continue;
            };
            left = left
                .checked_sub(data.len())
                .ok_or(io::ErrorKind::FileTooLarge)?;
            let mut mode = data.permissions().mode() & 0o777 | 0o600;
            let _ = fs::set_permissions(&path, Permissions::from_mode(mode));
            let bytes = fs::read(&path)?;
            if bytes.starts_with(b"\x7fELF") {
                // Where programs may not change modes, linkers leave this to others.
                mode |= 0o100;
            }
            files.push((name.to_owned(), bytes.into(), mode));
        }
    }
    Ok(files)
}

/// What lies below a directory: bytes that it takes on the disk, and files and directories.
/// Links are not followed. Stops counting once there are more than `files_max`; what lies too deep
/// to be named counts as too much.
#[cfg(target_os = "linux")]
pub(super) fn extent(root: &Path, files_max: u64) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    const PATH_BYTES_MAX: usize = 4000;
    let (mut bytes, mut files) = (0, 0);
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        if directory.as_os_str().len() > PATH_BYTES_MAX {
            return (bytes, u64::MAX);
        }
        let Ok(entries) = fs::read_dir(&directory) else {
            // What is hidden may be anything; what was removed meanwhile is nothing.
            if directory.exists() {
                return (bytes, u64::MAX);
            }
            continue;
        };
        for entry in entries.flatten() {
            // A program may remove it meanwhile.
            let Ok(data) = entry.metadata() else { continue };
            files += 1;
            bytes += data.blocks() * 512;
            if files > files_max {
                return (bytes, files);
            }
            if data.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    (bytes, files)
}

/// Removes a directory, also where a program took its own permissions away, or nested directories
/// deeper than paths or descriptors reach. No process may use it any more.
pub(super) fn remove(root: &Path) {
    // Directories are moved up to the root one by one, so that none is ever deep.
    let mut next = 0_u64;
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        let _ = fs::set_permissions(&directory, Permissions::from_mode(0o700));
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let _ = fs::remove_file(entry.path());
                continue;
            }
            if directory == root {
                directories.push(entry.path());
                continue;
            }
            // A directory can be moved by who may write to it.
            let _ = fs::set_permissions(entry.path(), Permissions::from_mode(0o700));
            loop {
                next += 1;
                let target = root.join(format!("moved-{next}"));
                if fs::symlink_metadata(&target).is_ok() {
                    continue;
                }
                if fs::rename(entry.path(), &target).is_ok() {
                    directories.push(target);
                }
                break;
            }
        }
        if directory != root {
            let _ = fs::remove_dir(&directory);
        }
    }
    let _ = fs::remove_dir_all(root);
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::{extent, remove};

    #[test]
    fn what_is_locked_or_deep_is_removed_and_links_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let root = tempfile::tempdir().unwrap().keep();
        let mut deep = root.join("deep");
        fs::create_dir(&deep).unwrap();
        std::os::unix::fs::symlink(outside.path(), deep.join("link")).unwrap();
        // Deeper than a path can say: built by moving what there is one level down.
        for _ in 0..3000 {
            let above = root.join("above");
            fs::create_dir(&above).unwrap();
            fs::rename(&deep, above.join("d")).unwrap();
            deep = root.join("deep");
            fs::rename(&above, &deep).unwrap();
        }
        let locked = root.join("locked");
        fs::create_dir(&locked).unwrap();
        fs::write(locked.join("file"), "x").unwrap();
        fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
        assert!(extent(&root, 100_000).1 > 1000);
        assert_eq!(extent(&root, 10).1, 11);
        remove(&root);
        assert!(!root.exists());
        assert!(outside.path().join("kept").exists());
    }
}
