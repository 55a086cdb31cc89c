//! The file tree that programs see: the system and the interpreters, read-only, and nothing else.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};

use super::{InStep, sys};

/// The one directory that a program can write to.
pub(in super::super) const SCRATCH: &str = "/box";
/// Where the new root is put together; hidden from programs, which see the new root instead.
const ASSEMBLY: &str = "/tmp";
/// Directories of a system that interpreters and their libraries live in; `/lib64` and the like
/// are often symbolic links into `/usr`.
const SYSTEM: &[&str] = &[
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
];
/// What of `/etc` programs need and may know.
const CONFIGURATION: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/ca-certificates",
    // What Debian keeps of interpreters outside `/usr`, with links from there.
    "/etc/java-8-openjdk",
    "/etc/java-11-openjdk",
    "/etc/java-17-openjdk",
    "/etc/java-21-openjdk",
    "/etc/java-25-openjdk",
    "/etc/php",
    "/etc/R",
    "/var/lib/ghc",
];
/// What name look-up needs, bound only for programs with a network.
const NAMES: &[&str] = &["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"];
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom"];
/// Those that are written to. A map of `zero` that could be written would be memory that no resident
/// set shows.
const WRITTEN: &[&str] = &["null", "full"];

/// What of an installation an interpreter needs. Other things may lie beside it: a project, a home.
const OF_INSTALLATION: &[&str] = &[
    "bin",
    "sbin",
    "Scripts",
    "lib",
    "lib32",
    "lib64",
    "libexec",
    "include",
    "ssl",
    "share/zoneinfo",
    "share/terminfo",
    "pyvenv.cfg",
];

/// Directories whose installations use each other.
const STORES: &[&str] = &["/nix/store", "/gnu/store", "/home/linuxbrew/.linuxbrew"];

/// The host's directories that programs see besides the system's own.
pub(in super::super) type Places = BTreeSet<PathBuf>;

/// What an interpreter needs outside the system's directories: its installation, and behind a
/// virtual environment or a symbolic link the one that it came from.
pub(in super::super) fn places_of(interpreter: &Path) -> Places {
    let homes = homes();
    let mut places = Places::new();
    let mut links = vec![interpreter.to_path_buf()];
    let mut seen = BTreeSet::new();
    while let Some(path) = links.pop() {
        if !seen.insert(path.clone()) || seen.len() > 40 {
            continue;
        }
        let Some(directory) = path.parent() else {
            continue;
        };
        let installation = match directory.file_name() {
            Some(name) if name == "bin" || name == "Scripts" => directory.parent(),
            _ => None,
        };
        let environment = installation
            .and_then(|installation| fs::read_to_string(installation.join("pyvenv.cfg")).ok());
        // What a link stands in says nothing of what it leads to, and a home directory, or one that
        // holds it, is no installation: only the file is shown.
        let is_link = fs::symlink_metadata(&path).is_ok_and(|data| data.is_symlink());
        let installation = installation
            .filter(|_| !is_link || environment.is_some())
            .filter(|installation| !is_too_wide(installation, &homes));
        let place = installation.unwrap_or(&path);
        // What is shown anyway is not put over itself.
        let mut shown = SYSTEM.iter().chain(CONFIGURATION);
        if !shown.any(|shown| place.starts_with(shown)) {
            match installation {
                None => drop(places.insert(path.clone())),
                Some(installation) => {
                    let parts = OF_INSTALLATION.iter().map(|part| installation.join(part));
                    places.extend(parts.filter(|part| part.exists()));
                }
            }
        }
        if let Ok(target) = fs::read_link(&path) {
            let target = directory.join(target);
            if let (Some(parent), Some(name)) = (target.parent(), target.file_name())
                && let Ok(parent) = fs::canonicalize(parent)
            {
                links.push(parent.join(name));
            }
        }
        if let Ok(real) = fs::canonicalize(&path) {
            links.push(real);
        }
        for line in environment.iter().flat_map(|text| text.lines()) {
            if let Some((key, value)) = line.split_once('=')
                && key.trim() == "home"
                && let Some(name) = path.file_name()
            {
                links.push(Path::new(value.trim()).join(name));
            }
        }
        if let Some(store) = STORES.iter().find(|store| place.starts_with(store)) {
            places.insert(PathBuf::from(store));
        }
    }
    // What lies in another place comes with it.
    let is_within = |place: &Path| {
        place
            .ancestors()
            .skip(1)
            .any(|above| places.contains(above))
    };
    let outermost = places.iter().filter(|place| !is_within(place));
    outermost.cloned().collect()
}

/// The homes of this machine: this user's, and those of `/etc/passwd`.
fn homes() -> Vec<PathBuf> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let others = users.lines().filter_map(|line| line.split(':').nth(5));
    let own = std::env::var_os("HOME").map(PathBuf::from);
    own.into_iter()
        .chain(others.map(PathBuf::from))
        // Services have directories of the system there.
        .filter(|home| home.is_absolute() && !SYSTEM.iter().any(|system| home.starts_with(system)))
        .collect()
}

/// Whether a directory holds more than an interpreter: a home, one above it, or the place in it where
/// programs keep their data.
fn is_too_wide(directory: &Path, homes: &[PathBuf]) -> bool {
    directory == Path::new("/")
        || homes
            .iter()
            .any(|home| home.starts_with(directory) || directory == home.join(".local"))
}

/// The devices that programs write to.
pub(in super::super) fn written_devices() -> impl Iterator<Item = String> {
    WRITTEN.iter().map(|name| format!("/dev/{name}"))
}

/// The devices that programs read.
pub(in super::super) fn devices() -> impl Iterator<Item = String> {
    DEVICES.iter().map(|name| format!("/dev/{name}"))
}

/// Paths that a program may read, as Landlock is told.
pub(in super::super) fn readable(places: &Places, network: bool) -> Vec<String> {
    let names: &[&str] = if network { NAMES } else { &[] };
    SYSTEM
        .iter()
        .chain(CONFIGURATION)
        .chain(names)
        .map(|path| (*path).to_owned())
        .chain(
            places
                .iter()
                .map(|place| place.to_string_lossy().into_owned()),
        )
        .collect()
}

/// Makes a private root and goes into it. This process must be alone in its mount namespace and
/// have capabilities over it.
pub(super) fn enter(places: &Places, network: bool) -> Result<(), String> {
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .in_step("make the mounts private")?;
    let mut trees = Vec::new();
    let names: &[&str] = if network { NAMES } else { &[] };
    for path in SYSTEM
        .iter()
        .chain(CONFIGURATION)
        .chain(names)
        .map(Path::new)
        .chain(places.iter().map(PathBuf::as_path))
    {
        take(path, &mut trees)?;
    }
    let mut devices = Vec::new();
    for name in DEVICES {
        let path = PathBuf::from("/dev").join(name);
        devices.push((path.clone(), open_tree(&path).in_step("open a device")?));
    }
    let processes = open_tree(Path::new("/proc")).in_step("open /proc")?;
    rustix::mount::mount(
        "tmpfs",
        ASSEMBLY,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        Some(c"mode=0755,size=1m"),
    )
    .in_step("mount a root")?;
    std::env::set_current_dir(ASSEMBLY).in_step("enter the root")?;
    lay_out(trees, devices, &processes)?;
    rustix::process::pivot_root(".", ".").in_step("change the root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).in_step("leave the old root")?;
    std::env::set_current_dir("/").in_step("enter the new root")?;
    let read_only = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount_remount("/", read_only | MountFlags::BIND, c"")
        .in_step("make the root read-only")
}

/// A part of the host's tree on its way into the new root.
enum Part {
    Link(PathBuf, PathBuf),
    Tree(PathBuf, OwnedFd),
}

fn take(path: &Path, parts: &mut Vec<Part>) -> Result<(), String> {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if metadata.is_symlink() && !path.starts_with("/etc") {
        let target = fs::read_link(path).in_step("read a link of the system")?;
        parts.push(Part::Link(path.to_path_buf(), target));
        return Ok(());
    }
    let tree = open_tree(path).in_step(&format!("open {}", path.display()))?;
    sys::set_mount_attributes(
        tree.as_fd(),
        libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
    )
    .in_step(&format!("make {} read-only", path.display()))?;
    parts.push(Part::Tree(path.to_path_buf(), tree));
    Ok(())
}

fn open_tree(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::mount::open_tree(
        CWD,
        path,
        OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::AT_RECURSIVE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )?)
}

fn lay_out(
    trees: Vec<Part>,
    devices: Vec<(PathBuf, OwnedFd)>,
    processes: &OwnedFd,
) -> Result<(), String> {
    for part in trees {
        match part {
            Part::Link(path, target) => {
                lead_to(&inside(&path))?;
                symlink(target, inside(&path)).in_step("make a link of the system")?;
            }
            Part::Tree(path, tree) => attach(&tree, &path)?,
        }
    }
    fs::create_dir_all("dev").in_step("make /dev")?;
    for (path, tree) in devices {
        attach(&tree, &path)?;
    }
    // The kernel grants a fresh /proc in the namespaces of a run only where one is visible.
    attach(processes, Path::new("/proc"))?;
    fs::create_dir_all(inside(Path::new(SCRATCH))).in_step("make the scratch directory")?;
    if !Path::new("tmp").exists() {
        // Unless an interpreter lives below it.
        symlink(SCRATCH, "tmp").in_step("make /tmp")?;
    }
    for (path, target) in [
        ("dev/shm", SCRATCH),
        ("dev/fd", "/proc/self/fd"),
        ("dev/stdin", "/proc/self/fd/0"),
        ("dev/stdout", "/proc/self/fd/1"),
        ("dev/stderr", "/proc/self/fd/2"),
        ("var/tmp", SCRATCH),
    ] {
        let path = Path::new(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).in_step("make a directory of the root")?;
        }
        symlink(target, path).in_step("make a link of the root")?;
    }
    // Where E2B's sandboxes have their home: what writes there works here too.
    let home = Path::new("home/user");
    if !home.exists() {
        lead_to(home)?;
        symlink(SCRATCH, home).in_step("make /home/user")?;
    }
    fs::create_dir_all("etc").in_step("make /etc")?;
    let id = sys::INSIDE_ID;
    for (name, text) in [
        (
            "etc/passwd",
            format!("nobody:x:{id}:{id}:nobody:{SCRATCH}:/bin/sh\n"),
        ),
        ("etc/group", format!("nogroup:x:{id}:\n")),
        (
            "etc/hosts",
            "127.0.0.1 localhost\n::1 localhost\n".to_owned(),
        ),
        (
            "etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\n".to_owned(),
        ),
    ] {
        if !Path::new(name).exists() {
            fs::write(name, text).in_step("write a file of /etc")?;
        }
    }
    Ok(())
}

/// Puts a tree at its path in the new root, which is the current directory.
fn attach(tree: &OwnedFd, path: &Path) -> Result<(), String> {
    const HERE: &CStr = c"";
    let at = inside(path);
    lead_to(&at)?;
    let kind = rustix::fs::fstat(tree).in_step("look at a part of the root")?;
    if rustix::fs::FileType::from_raw_mode(kind.st_mode) == rustix::fs::FileType::Directory {
        fs::create_dir_all(&at).in_step("make a directory of the root")?;
    } else {
        // Never through a link: it could lead out of what is being laid out, to a file of the host.
        fs::File::create_new(&at).in_step("make a file of the root")?;
    }
    rustix::mount::move_mount(
        tree,
        HERE,
        CWD,
        &at,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .in_step(&format!("bind {}", path.display()))
}

/// Makes what leads to a path of the new root.
fn lead_to(at: &Path) -> Result<(), String> {
    let Some(parent) = at.parent() else {
        return Ok(());
    };
    // What leads to an interpreter, perhaps a home directory, is passed through and not listed.
    let is_listed = ["etc", "dev"].iter().any(|listed| at.starts_with(listed));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(if is_listed { 0o755 } else { 0o311 })
        .create(parent)
        .in_step("make a directory of the root")
}

/// A path of the host as one relative to the new root.
fn inside(path: &Path) -> PathBuf {
    path.strip_prefix("/").unwrap_or(path).to_path_buf()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::places_of;

    #[test]
    fn an_interpreter_brings_its_installation_and_where_that_came_from() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let make = |path: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        let places = |path: &Path| {
            let places = places_of(path);
            let below = places
                .iter()
                .map(|place| place.strip_prefix(&root).unwrap());
            below
                .map(|place| place.display().to_string())
                .collect::<Vec<_>>()
        };
        // nvm and pyenv: one directory a version.
        let node = make("nvm/versions/node/v20/bin/node");
        make("nvm/versions/node/v20/lib/node_modules/x");
        assert_eq!(
            places(&node),
            ["nvm/versions/node/v20/bin", "nvm/versions/node/v20/lib"]
        );
        // A virtual environment is links and a file that names its origin.
        make("pyenv/versions/3.11/bin/python3");
        let python = make("pyenv/versions/3.11/bin/python3.11");
        fs::create_dir_all(root.join("work/venv/bin")).unwrap();
        let linked = root.join("work/venv/bin/python3");
        symlink(&python, &linked).unwrap();
        let home = format!(
            "home = {}\n",
            root.join("pyenv/versions/3.11/bin").display()
        );
        fs::write(root.join("work/venv/pyvenv.cfg"), home).unwrap();
        // A project may be its own environment.
        make("work/venv/expected.txt");
        assert_eq!(
            places(&linked),
            [
                "pyenv/versions/3.11/bin",
                "work/venv/bin",
                "work/venv/pyvenv.cfg"
            ]
        );
        // A link brings what it leads to, and not what lies beside it.
        let managed = make("share/python/3.12/bin/python3.12");
        make("share/keys");
        // A link in an installation comes with the installation.
        let beside = root.join("share/python/3.12/bin/python3");
        symlink("python3.12", &beside).unwrap();
        assert_eq!(places(&beside), ["share/python/3.12/bin"]);
        fs::create_dir_all(root.join("local/bin")).unwrap();
        let link = root.join("local/bin/python3");
        symlink("../../share/python/3.12/bin/python3.12", &link).unwrap();
        assert!(managed.exists());
        assert_eq!(
            places(&link),
            ["local/bin/python3", "share/python/3.12/bin"]
        );
        // What lies by itself comes by itself, whatever lies beside it.
        make("secrets/key");
        assert_eq!(places(&make("secrets/tool")), ["secrets/tool"]);
        assert!(places_of(Path::new("/usr/bin/env")).is_empty());
        // Such as Debian's `/usr/bin/javac`: what stands between is shown to every program.
        assert!(places_of(Path::new("/etc/alternatives/javac")).is_empty());
    }
}
