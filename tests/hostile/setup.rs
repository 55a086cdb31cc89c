//! What stands on the machine for attempts to find: secrets, files, sockets; undone afterwards.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::rows::Attempt;

/// What was laid out.
pub(crate) struct Setup {
    /// Variables of rewardspec itself.
    pub(crate) variables: BTreeMap<String, String>,
    files: Vec<PathBuf>,
    tcp: Vec<(u16, TcpListener)>,
    udp: Vec<(u16, UdpSocket)>,
    unix: Vec<UnixListener>,
    knocker: Knocker,
}

/// What it saw.
pub(crate) struct Seen {
    /// Ports where a connection or a datagram came.
    pub(crate) ports: Vec<u16>,
    /// Whether a local socket was connected to.
    pub(crate) unix: bool,
    /// Ports of programs that the machine could connect to.
    pub(crate) open: Vec<u16>,
}

impl Setup {
    pub(crate) fn of(attempts: &[Attempt]) -> Self {
        let mut setup = Setup {
            variables: BTreeMap::new(),
            files: Vec::new(),
            tcp: Vec::new(),
            udp: Vec::new(),
            unix: Vec::new(),
            knocker: Knocker::new(attempts),
        };
        for attempt in attempts {
            setup.add(attempt);
        }
        setup
    }

    fn add(&mut self, attempt: &Attempt) {
        let port = |key: &str| {
            let port = attempt.setup(key)?.as_u64()?;
            Some(u16::try_from(port).unwrap())
        };
        let texts = |key: &str| {
            let map = attempt.setup(key).and_then(|value| value.as_object());
            map.into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        };
        self.variables.extend(texts("env"));
        for (path, content) in texts("host_file") {
            // A home that is not ours cannot hold our file, and is out of the program's reach too.
            if !PathBuf::from(&path).exists() && std::fs::write(&path, content).is_ok() {
                std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
                self.files.push(path.into());
            }
        }
        if let Some(port) = port("listen_tcp") {
            let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
            listener.set_nonblocking(true).unwrap();
            self.tcp.push((port, listener));
        }
        if let Some(port) = port("listen_udp") {
            let socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
            socket.set_nonblocking(true).unwrap();
            self.udp.push((port, socket));
        }
        let name = |key: &str| attempt.setup(key).and_then(|value| value.as_str());
        if let Some(path) = name("listen_unix") {
            let listener = UnixListener::bind(path).unwrap();
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
            self.files.push(path.into());
            self.unix.push(listener);
        }
        if let Some(name) = name("listen_abstract") {
            let address = SocketAddr::from_abstract_name(name).unwrap();
            self.unix.push(UnixListener::bind_addr(&address).unwrap());
        }
    }

    /// Takes it away and says what it saw.
    pub(crate) fn undo(self) -> Seen {
        let mut ports = Vec::new();
        for (port, listener) in &self.tcp {
            if listener.accept().is_ok() {
                ports.push(*port);
            }
        }
        for (port, socket) in &self.udp {
            if socket.recv(&mut [0; 64]).is_ok() {
                ports.push(*port);
            }
        }
        let unix = self.unix.iter().any(|listener| {
            listener.set_nonblocking(true).unwrap();
            listener.accept().is_ok()
        });
        for file in &self.files {
            std::fs::remove_file(file).unwrap();
        }
        Seen {
            ports,
            unix,
            open: self.knocker.stop(),
        }
    }
}

/// Tries to connect to what programs listen on, as long as they run.
struct Knocker {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<u16>>,
}

impl Knocker {
    fn new(attempts: &[Attempt]) -> Self {
        let ports: Vec<u16> = attempts
            .iter()
            .filter_map(|attempt| attempt.detect("host_connect_must_fail")?.as_u64())
            .map(|port| u16::try_from(port).unwrap())
            .collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut open = Vec::new();
            while !ports.is_empty() && !stopped.load(Ordering::Relaxed) {
                for port in &ports {
                    if TcpStream::connect(("127.0.0.1", *port)).is_ok() {
                        open.push(*port);
                    }
                }
                std::thread::park_timeout(Duration::from_millis(50));
            }
            open
        });
        Knocker { stop, thread }
    }

    fn stop(self) -> Vec<u16> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().unwrap()
    }
}
