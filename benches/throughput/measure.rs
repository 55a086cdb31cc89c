//! What a measurement is, measurements in turns, and the table made of them.

use std::time::{Duration, Instant};

use rustix::process::{WaitOptions, wait};

/// How long what a measurement left behind may take to end.
const ORPHANS_END: Duration = Duration::from_secs(10);

/// What grading took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub programs: usize,
    pub seconds: f64,
    /// User and system time of all processes that took part.
    pub cpu_seconds: f64,
}

impl Measured {
    fn rate(self) -> f64 {
        self.programs as f64 / self.seconds
    }

    fn cpu_ms(self) -> f64 {
        self.cpu_seconds * 1000.0 / self.programs as f64
    }
}

/// What is wanted of the ratio of two rates.
pub(crate) enum Target {
    /// Ours over theirs.
    OursOver(f64),
    /// This one, another way of ours, over the first.
    OfOurs(f64),
    /// Shown alone.
    None,
}

/// Who grades, and how: the argument is a number that no other turn has.
pub(crate) struct Contender<'a> {
    pub name: &'static str,
    pub target: Target,
    pub grade: Box<dyn FnMut(usize) -> Result<Measured, String> + 'a>,
}

impl Contender<'_> {
    fn turn(&mut self, turn: usize) -> Result<Measured, String> {
        (self.grade)(turn).map_err(|error| format!("{}: {error}", self.name))
    }
}

/// Ours before each of the others, so that what disturbs the machine disturbs both; prints medians and
/// says whether the targets were met.
pub(crate) fn in_turns(
    rounds: usize,
    first_turn: usize,
    ours: &mut Contender,
    others: &mut [Contender],
) -> Result<bool, String> {
    let mut first = Vec::new();
    let mut pairs = vec![Vec::new(); others.len()];
    let mut turn = first_turn;
    for _ in 0..rounds {
        for (other, pairs) in others.iter_mut().zip(&mut pairs) {
            let mine = ours.turn(turn)?;
            let theirs = other.turn(turn + 1)?;
            turn += 2;
            first.push(mine);
            pairs.push((mine, theirs));
        }
    }
    println!("| runner | programs | per second | CPU ms each | ratio of rates | of CPU | target |");
    println!("|---|--:|--:|--:|--:|--:|---|");
    println!("{} | | | |", numbers(ours.name, &first));
    let mut met = true;
    for (other, pairs) in others.iter().zip(pairs) {
        met &= row(other, &pairs);
    }
    Ok(met)
}

fn row(other: &Contender, pairs: &[(Measured, Measured)]) -> bool {
    let theirs: Vec<Measured> = pairs.iter().map(|pair| pair.1).collect();
    // Ours over the other, or the other over ours: above 1 is good, and more CPU time is slower.
    let is_ours = matches!(other.target, Target::OfOurs(_));
    let of = |ours_over: f64| if is_ours { 1.0 / ours_over } else { ours_over };
    let ratio = |value: fn(Measured) -> f64| {
        median(
            pairs
                .iter()
                .map(|(mine, theirs)| value(*mine) / value(*theirs)),
        )
    };
    let rates = of(ratio(Measured::rate));
    let cpu = of(1.0 / ratio(Measured::cpu_ms));
    let (told, met) = match other.target {
        Target::OursOver(least) | Target::OfOurs(least) => {
            let met = rates >= least;
            let word = if met { "met" } else { "missed" };
            (format!("at least {least}: {word}"), met)
        }
        Target::None => (String::new(), true),
    };
    let numbers = numbers(other.name, &theirs);
    println!("{numbers} | {rates:.2} | {cpu:.2} | {told} |");
    met
}

fn numbers(name: &str, measured: &[Measured]) -> String {
    let rate = median(measured.iter().map(|found| found.rate()));
    let cpu = median(measured.iter().map(|found| found.cpu_ms()));
    let programs = measured[0].programs;
    format!("| {name} | {programs} | {rate:.1} | {cpu:.2}")
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Times something that starts processes, to the end of the last of them.
pub(crate) fn timed(
    programs: usize,
    grade: impl FnOnce() -> Result<(), String>,
) -> Result<Measured, String> {
    let before = cpu_of_children();
    let started = Instant::now();
    grade()?;
    let seconds = started.elapsed().as_secs_f64();
    reap_orphans()?;
    Ok(Measured {
        programs,
        seconds,
        cpu_seconds: cpu_of_children() - before,
    })
}

/// Waits for processes that outlived their parent: their time counts, too.
fn reap_orphans() -> Result<(), String> {
    let started = Instant::now();
    while started.elapsed() < ORPHANS_END {
        match wait(WaitOptions::NOHANG) {
            Err(_) => return Ok(()),
            Ok(Some(_)) => {}
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    Err("processes are left behind".to_owned())
}

/// Of those waited for, and those that they waited for.
fn cpu_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let ticks = |field: usize| -> f64 {
        let word = after_name.split_whitespace().nth(field - 3);
        word.unwrap().parse().unwrap()
    };
    (ticks(16) + ticks(17)) / rustix::param::clock_ticks_per_second() as f64
}

pub(crate) fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    load.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}
