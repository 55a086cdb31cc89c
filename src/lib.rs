//! Declarative evaluation of code written by language models: YAML suites in, rewards out.
//!
//! A suite declares prompts, replies and what is expected; rule packs hold languages, extractors
//! and comparators as data. Read the modules in the order the data flows:
//!
//! | module | does |
//! |---|---|
//! | [`project`] | finds and reads suites, rule packs, datasets |
//! | [`syntax`] | what the author wrote, every value with its place |
//! | [`compile`] | names looked up, layers merged: evaluators |
//! | [`evaluator`] | reply → program; executions → reward |
//! | [`backend`] | program → execution |
//! | [`e2b`] | a client of E2B, usable by itself |
//! | [`run`] | drives the two, many at once |
//! | [`report`] | outcomes for people and machines |
//! | [`trials`] | every case as a test of `cargo test` |
//!
//! Four values travel: a [reply](evaluator::Reply) becomes a [program], which becomes an
//! [execution], which becomes a [reward].
//!
//! In a cargo project, `tests/suites.rs` with `harness = false` is one line:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     rewardspec::main()
//! }
//! ```

pub mod backend;
pub mod cli;
pub mod compile;
pub mod diagnostic;
pub mod doctor;
pub mod e2b;
pub mod escape;
pub mod evaluator;
pub mod execution;
pub mod program;
pub mod project;
pub mod report;
pub mod reward;
pub mod run;
pub mod source;
pub mod syntax;
pub mod template;
pub mod trials;

pub use trials::main;
