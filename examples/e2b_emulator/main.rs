//! An emulator of E2B on this machine: control plane, envd and code interpreter at one port, with
//! programs in the local sandbox. The official SDKs work with it unmodified:
//!
//! ```console
//! $ cargo run --example e2b_emulator -- --listen 127.0.0.1:8666
//! $ export E2B_API_KEY=e2b_00 E2B_API_URL=http://127.0.0.1:8666 E2B_SANDBOX_URL=http://127.0.0.1:8666
//! ```
//!
//! It is for tests: whoever can reach the port can run programs.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command of its own"
)]

mod emulator;

use std::process::ExitCode;

use emulator::{Emulator, Options};

fn main() -> ExitCode {
    rewardspec::backend::local::enter();
    let mut words = std::env::args().skip(1);
    let mut options = Options::default();
    let mut listen = "127.0.0.1:0".to_owned();
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        match word.as_str() {
            "--listen" => listen = value(),
            "--key" => options.key = Some(value()),
            "--replay" => options.recordings = Some(value().into()),
            "--log" => options.log = Some(value().into()),
            "--version-1" => options.is_version_1 = true,
            _ => {
                eprintln!(
                    "usage: e2b_emulator [--listen ADDRESS:PORT] [--key KEY] [--replay DIRECTORY] [--log FILE] [--version-1]"
                );
                return ExitCode::from(2);
            }
        }
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(3);
        }
    };
    runtime.block_on(async {
        match Emulator::start(&listen, options).await {
            Ok(emulator) => {
                println!("listening on http://{}", emulator.address());
                let _ = tokio::signal::ctrl_c().await;
                emulator.stop().await;
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: cannot listen on {listen}: {error}");
                ExitCode::from(3)
            }
        }
    })
}
