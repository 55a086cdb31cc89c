//! The client of E2B, the backend in its cloud, and the emulator that both are tried with.

mod apart; // a judge beside a program, out of its reach
mod doctor; // what is said of the cloud, and which backend a run gets
mod faults; // what a server can do to us
mod golden; // our requests are those of the official SDKs
mod parity; // the same rewards as locally, of the plumbing through the emulator
mod recorded; // a server that answers from recordings
mod scenario; // the client against the emulator, with real programs
mod streams; // what we make of the real interpreter's streams is what the SDK makes
mod traps; // what the interpreter does that nobody expects

use std::path::PathBuf;

use rewardspec::e2b::{Client, Config, Secret};
use serde_json::Value;

use crate::emulator::{Emulator, Options};
use crate::support::root;

/// A key that stands in no message.
const KEY: &str = "e2b_5ec7e75ec7e7";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

async fn emulator(options: Options) -> Emulator {
    let options = Options {
        launcher: Some(env!("CARGO_BIN_EXE_rewardspec").into()),
        ..options
    };
    Emulator::start("127.0.0.1:0", options).await.unwrap()
}

/// A client of a server that is everything at one address.
fn client(address: impl std::fmt::Display) -> Client {
    Client::new(Config {
        key: Some(Secret::new(KEY)),
        api_url: Some(format!("http://{address}")),
        sandbox_url: Some(format!("http://{address}")),
        ..Config::default()
    })
    .unwrap()
}

fn data(directory: &str) -> PathBuf {
    root().join("tests/data/e2b").join(directory)
}

/// Every recording of a directory, by name.
fn recordings(directory: &str) -> Vec<(String, Value)> {
    let mut found: Vec<_> = std::fs::read_dir(data(directory))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            (name, serde_json::from_str(&text).unwrap())
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

fn recording(path: &str) -> Value {
    let text = std::fs::read_to_string(data(path)).unwrap();
    serde_json::from_str(&text).unwrap()
}
