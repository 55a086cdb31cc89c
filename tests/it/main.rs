//! Integration tests, one binary, one module a behaviour. No mocks: the real command, real
//! interpreters, real files.

#![allow(
    clippy::unwrap_used,
    reason = "a test that unwraps fails, which is what it is for"
)]

mod apart;
mod bad_input; // whatever stands in a file, the answer is a located error
mod calls; // of a program's functions, and credit for parts of tests
mod check; // goldens: a suite in, diagnostics out
mod cli; // commands, exit statuses, streams
mod conformance; // agreement with reward-kit where it is right
#[cfg(target_os = "linux")]
mod container; // what a stock container takes away
mod data; // files of rows: datasets, saved samples, `--replies`
mod docs; // the blocks of README.md are checked and run
#[cfg(target_os = "linux")]
mod doctor; // what a machine offers
mod e2b; // the client of E2B, the backend in its cloud, the emulator
#[path = "../../examples/e2b_emulator/emulator/mod.rs"]
mod emulator; // of E2B, the one that is an example
mod expectations; // what programs leave, references, checks
mod files; // programs of several files
mod isolation; // what is refused where a machine contains too little, and how it is said
mod language; // the meaning of what is written
mod local; // what the local backend promises of every program
mod matrix; // cells and their ids, and what each row or cell says for itself
mod reference; // docs/reference.md: made from the schemas and examples, which run
mod schema; // current, complete, and of one mind with `check`
mod support;
mod tidy; // layering, headers, changelog: conventions are executable
mod trials; // what `cargo test` and nextest see
mod whole; // suites judged as a whole, formats for CI systems, the fingerprint
