//! How many programs are graded a second, every layer of isolation on, beside the floor that a bare
//! fork sets, beside cold starts, and beside tools that grade the same programs in other ways.
//!
//! `cargo bench --bench throughput` measures all sections but `memory`; `-- SECTION… --rounds 5
//! --repeat 10 --against NAME,…` chooses. All that is compared runs in turns with ours, two programs at
//! a time, and medians are told. A wrong verdict of anyone fails; `--enforce` fails where a target is
//! missed, too. What the table means, and what is counted, is said in `benches/RESULTS.md`.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that fails says so, and prints what it found"
)]

mod cold;
mod measure;
mod memory;
mod ours;
mod peers;
mod programs;
mod sections;

use std::process::ExitCode;
use std::time::Duration;

/// Programs that run at once, whoever runs them.
const AT_ONCE: usize = 2;
const MEMORY: &str = "memory";

struct Options {
    sections: Vec<String>,
    rounds: usize,
    /// How often each program is graded in a round.
    repeat: usize,
    /// Whom to measure; empty is all.
    against: Vec<String>,
    enforce: bool,
    memory_rows: usize,
    memory_time: Duration,
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|options| measured(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether targets were met, where that is asked for.
fn measured(options: &Options) -> Result<bool, String> {
    // Orphans of what is measured come to this process, which counts their time.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let bench = sections::Bench::new(options)?;
    println!("{}", bench.machine());
    let (mut met, mut wrong) = (true, Vec::new());
    for section in &options.sections {
        let measured = match section.as_str() {
            MEMORY => memory::measure(&bench, options.memory_rows, options.memory_time),
            name => bench.section(name),
        };
        // The others are worth knowing all the same.
        match measured {
            Ok(is_met) => met &= is_met,
            Err(error) => wrong.push(format!("{section}: {error}")),
        }
    }
    println!("\nload at the end: {}", measure::load());
    if !wrong.is_empty() {
        return Err(wrong.join("\nerror: "));
    }
    Ok(met || !options.enforce)
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        sections: Vec::new(),
        rounds: 5,
        repeat: 10,
        against: Vec::new(),
        enforce: false,
        memory_rows: 1_000_000,
        memory_time: Duration::from_secs(30 * 60),
    };
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or(format!("expected a value after `{word}`"))
        };
        match word.as_str() {
            // cargo says so to every bench.
            "--bench" => {}
            "--enforce" => options.enforce = true,
            "--rounds" => options.rounds = number(&value()?)?,
            "--repeat" => options.repeat = number(&value()?)?,
            "--against" => options.against = value()?.split(',').map(str::to_owned).collect(),
            "--memory-rows" => options.memory_rows = number(&value()?)?,
            "--memory-minutes" => {
                options.memory_time = Duration::from_secs(number(&value()?)? as u64 * 60);
            }
            name if name == MEMORY || sections::NAMES.contains(&name) => {
                options.sections.push(word);
            }
            _ => {
                let known = sections::NAMES.join("`, `");
                return Err(format!("expected `{known}` or `{MEMORY}`, not `{word}`"));
            }
        }
    }
    if options.sections.is_empty() {
        options.sections = sections::NAMES
            .iter()
            .map(|&name| name.to_owned())
            .collect();
    }
    Ok(options)
}

fn number(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&number| number > 0);
    number.ok_or(format!("expected a number above 0, not `{text}`"))
}
