//! What comparing 10 MB with 10 MB costs, by every comparator, on texts of many shapes, equal and
//! with another last byte; beside what python3 takes for the plain way of doing the same.
//!
//! `cargo bench --bench compare -- --megabytes 10 --rounds 5` are its defaults; `--shapes` shows every
//! shape and not the slowest only. A median of more than a second is a failure. Peers run in turns
//! with ours and take their own time, without their start and without reading files; where the plain
//! way cannot finish 10 MB, both get as much as it can.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails says so, and prints what it found"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use rewardspec::evaluator::compare::{Comparator, ComparatorRule, Params};
use serde::Deserialize;

/// Seconds that a comparison may take.
const SECONDS_MAX: f64 = 1.0;
/// What python3 does, by name.
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/compare_peer.py");

#[derive(Deserialize)]
struct Pack {
    comparators: BTreeMap<String, ComparatorRule>,
}

/// A comparator with its parameters, and the shape and the peer that it is held beside.
struct Held {
    name: &'static str,
    params: &'static str,
    shape: &'static str,
    peer: &'static str,
    /// Bytes that the peer finishes in seconds.
    peer_max: usize,
    /// What is expected instead of the same text.
    pattern: Option<&'static str>,
}

const fn held(name: &'static str, shape: &'static str, peer: &'static str) -> Held {
    Held {
        name,
        params: "{}",
        shape,
        peer,
        peer_max: usize::MAX,
        pattern: None,
    }
}

const HELD: &[Held] = &[
    held("exact", "lines", "equal"),
    held("trimmed", "lines", "strip"),
    held("lines", "lines", "lines"),
    held("whitespace", "words", "split"),
    held("case_insensitive", "lines", "casefold"),
    held("numeric", "words", "floats"),
    Held {
        peer_max: 1_000_000,
        ..held("literal", "list", "literal")
    },
    held("json", "list", "json"),
    held("unordered", "words", "counter"),
    held("unordered", "list", "json_counter"),
    Held {
        pattern: Some(r"a*[^\d]|x\d*"),
        ..held("regex", "long", "regex")
    },
    Held {
        pattern: Some(r"\d$"),
        ..held("search", "long", "search")
    },
    held("contains", "lines", "contains"),
    held("contains_word", "lines", "contains"),
    held("lines_partial", "lines", "position"),
    Held {
        params: "{\"align\": \"lcs\"}",
        peer_max: 16_000,
        ..held("lines_partial", "numbered", "lcs_lines")
    },
    held("unicode_nfc", "lines", "nfc"),
    held("unicode_nfkc", "lines", "nfkc"),
    held("strip_ansi", "colours", "ansi"),
    held("terminal", "redraws", "redraw"),
    held("one_of", "lines", "strip"),
    Held {
        peer_max: 2_000,
        ..held("reward-kit", "letters", "reward_kit")
    },
];

const SHAPES: &[&str] = &[
    "lines",
    "words",
    "list",
    "letters",
    "numbered",
    "colours",
    "redraws",
    "long",
    "digits",
    "[",
    "(",
    "{",
    "1 ",
    "a\n",
    "\r",
    "\u{8}",
    "\u{1b}[",
    "\u{1b}]",
    "é",
    "e\u{301}",
    "nested",
    "'",
    "\\",
    "a,",
    "1.5 ",
    "{\"a\":",
    "\t",
    "\u{1b}[A",
    "\u{1b}[2J\n",
    "x\u{1b}[999C",
    "x\u{1b}[1K",
    "x\u{1b}[H",
    "set(",
    "f(",
    "1j,",
    "x\u{301}\u{8}",
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    let number = |flag: &str, otherwise: usize| {
        let at = words.iter().position(|word| word == flag);
        at.and_then(|at| words.get(at + 1)?.parse().ok())
            .unwrap_or(otherwise)
    };
    let bytes = number("--megabytes", 10) * 1_000_000;
    let rounds = number("--rounds", 5);
    let shows_shapes = words.iter().any(|word| word == "--shapes");
    let directory = tempfile::tempdir().unwrap();
    let mut is_slow = false;
    println!("{bytes} bytes, medians of {rounds} in ms: equal / another last byte");
    for held in HELD {
        let comparator = comparator(held.name, held.params);
        let size = bytes.min(held.peer_max);
        let (ours, peer) = beside(&comparator, held, size, rounds, directory.path());
        let slowest = slowest(&comparator, held, bytes, rounds, shows_shapes);
        is_slow |= slowest.0 > SECONDS_MAX;
        println!(
            "{:<17}{:>9} bytes of {:<9} {:>8.2} /{:>8.2}   python3 {:<13} {:>8.2} /{:>8.2}   ratio {:.5} / {:.5}   slowest {:.0} {:?}",
            held.name,
            size,
            held.shape,
            ours[0] * 1e3,
            ours[1] * 1e3,
            held.peer,
            peer[0] * 1e3,
            peer[1] * 1e3,
            ours[0] / peer[0],
            ours[1] / peer[1],
            slowest.0 * 1e3,
            slowest.1
        );
    }
    if is_slow {
        println!("a comparison takes more than {SECONDS_MAX} s");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn comparator(name: &str, params: &str) -> Comparator {
    let text = include_str!("../rules/compare.yaml");
    let pack: Pack = serde_yaml::from_str(text).unwrap();
    let params: Params = serde_json::from_str(params).unwrap();
    let rule = &pack.comparators[name];
    rule.compile(name).unwrap().with(&params).unwrap()
}

/// Medians of ours and of the peer's seconds: equal, and with another last byte.
fn beside(
    comparator: &Comparator,
    held: &Held,
    size: usize,
    rounds: usize,
    directory: &Path,
) -> ([f64; 2], [f64; 2]) {
    let text = shape(held.shape, size);
    let pairs = [text.clone(), other_end(&text)].map(|actual| (actual, text.clone()));
    let mut found = [(); 2].map(|()| (Vec::new(), Vec::new()));
    for _ in 0..rounds {
        for ((actual, expected), (ours, peer)) in pairs.iter().zip(&mut found) {
            ours.push(seconds(
                comparator,
                actual,
                held.pattern.unwrap_or(expected),
            ));
            std::fs::write(directory.join("actual"), actual).unwrap();
            std::fs::write(directory.join("expected"), expected).unwrap();
            let output = Command::new("python3")
                .args([PEER, held.peer])
                .current_dir(directory)
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {told}", held.peer);
            let told = String::from_utf8_lossy(&output.stdout);
            peer.push(told.trim().parse().unwrap());
        }
    }
    let [first, second] = found;
    (
        [median(first.0), median(second.0)],
        [median(first.1), median(second.1)],
    )
}

/// The largest median of all shapes, and the shape.
fn slowest(
    comparator: &Comparator,
    held: &Held,
    bytes: usize,
    rounds: usize,
    shows: bool,
) -> (f64, &'static str) {
    let mut slowest = (0.0, "");
    for name in SHAPES {
        let text = shape(name, bytes);
        let mut told = String::new();
        for actual in [text.clone(), other_end(&text)] {
            let seconds = (0..rounds.min(3))
                .map(|_| seconds(comparator, &actual, held.pattern.unwrap_or(&text)));
            let median = median(seconds.collect());
            write!(told, "{:>9.1}", median * 1e3).unwrap();
            if median > slowest.0 {
                slowest = (median, *name);
            }
        }
        if shows {
            println!("    {name:<10?}{told}");
        }
    }
    slowest
}

fn seconds(comparator: &Comparator, actual: &str, expected: &str) -> f64 {
    let started = Instant::now();
    let compared = comparator.compare(actual, expected).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    drop(compared);
    seconds
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The text with another last letter, white space and closing brackets apart.
fn other_end(text: &str) -> String {
    let last = |(_, letter): &(usize, char)| !(letter.is_whitespace() || "])}".contains(*letter));
    let (at, letter) = text
        .char_indices()
        .rfind(last)
        .or_else(|| text.char_indices().next_back())
        .unwrap();
    let other = if letter == '7' { "8" } else { "7" };
    format!("{}{other}{}", &text[..at], &text[at + letter.len_utf8()..])
}

fn shape(name: &str, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 64);
    match name {
        "lines" => {
            while text.len() < bytes {
                text.push_str("The quick brown fox jumps over the lazy dog, 12 times.\n");
            }
        }
        "words" => counted(&mut text, bytes, " ", |number| number.to_string()),
        "numbered" => counted(&mut text, bytes, "\n", |number| format!("line {number}")),
        "list" => {
            text.push('[');
            counted(&mut text, bytes - 2, ", ", |number| number.to_string());
            text.push(']');
        }
        // A linear congruential sequence: no two parts are alike.
        "letters" => {
            let mut state = 1_u32;
            while text.len() < bytes {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push(char::from(b'a' + u8::try_from((state >> 24) % 26).unwrap()));
            }
        }
        "colours" => counted(&mut text, bytes, "\n", |number| {
            format!("\u{1b}[3{}mline {number}\u{1b}[0m", number % 8)
        }),
        "redraws" => counted(&mut text, bytes, "\r", |number| {
            format!("{} %", number % 101)
        }),
        "long" => text.extend(std::iter::repeat_n('a', bytes)),
        "digits" => text.extend(std::iter::repeat_n('7', bytes)),
        "nested" => {
            text.extend(std::iter::repeat_n('[', bytes / 2));
            text.push('1');
            text.extend(std::iter::repeat_n(']', bytes / 2));
        }
        part => text.push_str(&part.repeat(bytes / part.len())),
    }
    text
}

fn counted(text: &mut String, bytes: usize, between: &str, item: impl Fn(usize) -> String) {
    text.push_str(&item(0));
    for number in 1.. {
        if text.len() >= bytes {
            return;
        }
        text.push_str(between);
        text.push_str(&item(number));
    }
}
