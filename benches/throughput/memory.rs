//! What memory `score` takes over a long stream, with all that it starts.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::measure::median;
use crate::ours::is_one;
use crate::programs;
use crate::sections::Bench;

/// MiB of all processes together, shared pages once.
const PEAK_MAX_MIB: f64 = 200.0;
/// The last quarter's median over the first's.
const GROWTH_MAX: f64 = 1.1;
const EVERY: Duration = Duration::from_secs(1);

/// MiB at one moment.
struct Sample {
    /// Pages that several processes have count once.
    pss: f64,
    rss: f64,
}

/// Feeds distinct programs until so many or so long, whichever comes first.
pub(crate) fn measure(bench: &Bench, rows: usize, time: Duration) -> Result<bool, String> {
    println!("\n## memory\n");
    let mut scoring = bench
        .ours
        .command(false)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let root = scoring.id();
    let (input, output) = (
        scoring.stdin.take().unwrap(),
        scoring.stdout.take().unwrap(),
    );
    let (rewards, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let started = Instant::now();
    let (fed, wrong, samples) = std::thread::scope(|scope| {
        let feeder = scope.spawn(move || feed(input, rows, started + time));
        let sampler = scope.spawn(|| sample(root, &is_over, &rewards));
        let mut wrong = None;
        for line in BufReader::new(output).lines() {
            let line = line.unwrap();
            let reward: Value = serde_json::from_str(&line).unwrap();
            if !is_one(&reward) {
                wrong.get_or_insert(line);
            }
            rewards.fetch_add(1, Ordering::Relaxed);
        }
        is_over.store(true, Ordering::Relaxed);
        (feeder.join().unwrap(), wrong, sampler.join().unwrap())
    });
    scoring.wait().unwrap();
    let rewards = rewards.into_inner();
    if let Some(line) = wrong {
        return Err(format!("rewardspec: not as wanted: {line}"));
    }
    if rewards != fed {
        return Err(format!("rewardspec: {rewards} rewards for {fed} rows"));
    }
    println!(
        "{rewards} programs in {:.0} s\n",
        started.elapsed().as_secs_f64()
    );
    Ok(told(&samples))
}

fn told(samples: &[Sample]) -> bool {
    println!("| MiB of all processes | first quarter | last quarter | peak |");
    println!("|---|--:|--:|--:|");
    let (first, last, peak) = line("PSS", samples, |sample| sample.pss);
    line("RSS", samples, |sample| sample.rss);
    let growth = last / first;
    let met = peak < PEAK_MAX_MIB && growth <= GROWTH_MAX;
    let word = if met { "met" } else { "missed" };
    println!(
        "\nlast over first: {growth:.2} (at most {GROWTH_MAX}), peak below {PEAK_MAX_MIB} MiB: {word}"
    );
    met
}

/// Medians of the first and the last quarter, and the peak.
fn line(name: &str, samples: &[Sample], of: fn(&Sample) -> f64) -> (f64, f64, f64) {
    let quarter = samples.len().div_ceil(4);
    let first = median(samples[..quarter].iter().map(of));
    let last = median(samples[samples.len() - quarter..].iter().map(of));
    let peak = samples.iter().map(of).fold(0.0, f64::max);
    println!("| {name} | {first:.1} | {last:.1} | {peak:.1} |");
    (first, last, peak)
}

/// How many were written.
fn feed(mut input: ChildStdin, rows: usize, until: Instant) -> usize {
    let mut fed = 0;
    for turn in 0.. {
        for program in programs::python(1, turn) {
            if fed == rows || Instant::now() > until {
                return fed;
            }
            let row = program.tested("beside");
            if writeln!(input, "{row}").is_err() {
                return fed;
            }
            fed += 1;
        }
    }
    fed
}

fn sample(root: u32, is_over: &AtomicBool, rewards: &AtomicUsize) -> Vec<Sample> {
    let mut samples = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let tree = tree(root);
        let sum = |key| tree.iter().map(|&process| kib(process, key)).sum::<f64>() / 1024.0;
        let sample = Sample {
            pss: sum("Pss:"),
            rss: sum("Rss:"),
        };
        if samples.len() % 60 == 0 {
            let rewards = rewards.load(Ordering::Relaxed);
            eprintln!("{rewards} programs, {:.1} MiB", sample.pss);
        }
        samples.push(sample);
        std::thread::sleep(EVERY);
    }
    samples
}

/// A process and its descendants.
fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let process = entry.file_name().to_string_lossy().parse();
        if let Ok(process) = process
            && let Some(parent) = parent(process)
        {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut tree = vec![root];
    let mut seen = 0;
    while let Some(&process) = tree.get(seen) {
        tree.extend(children.remove(&process).unwrap_or_default());
        seen += 1;
    }
    tree
}

fn parent(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

/// Nothing of a process that has just ended.
fn kib(process: u32, key: &str) -> f64 {
    let memory = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"));
    let memory = memory.unwrap_or_default();
    let line = memory.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or_default()
}
