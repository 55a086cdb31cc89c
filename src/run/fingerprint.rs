//! What two runs must have in common for their numbers to be comparable.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::{Outcome, Runner, Selection};
use crate::compile::SuitePlan;
use crate::project::{DataFiles, Digest, Project};

/// What was run, by what and where, each with its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint {
    /// In the order in which they are shown.
    pub parts: Vec<(String, String)>,
}

/// A fingerprint in the making: data is read on a thread of its own while the run goes on.
#[derive(Debug)]
pub struct Fingerprinting {
    suites: String,
    rules: Option<String>,
    selection: Option<String>,
    data: Option<JoinHandle<Option<Digest>>>,
    stop: Arc<AtomicBool>,
    backends: BTreeSet<String>,
    isolations: BTreeSet<&'static str>,
}

impl Fingerprinting {
    /// Begins to read what these suites are made of.
    pub fn begin(project: &Project, suites: &[SuitePlan], selection: &Selection) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let files = DataFiles::of(suites);
        let asked = Arc::clone(&stop);
        let data = (!files.is_empty()).then(|| std::thread::spawn(move || files.digest(&asked)));
        Fingerprinting {
            suites: project.digest_of_suites(suites).short(),
            rules: project.digest_of_rules().map(Digest::short),
            selection: selection.is_narrowed().then(|| digest_of(selection)),
            data,
            stop,
            backends: BTreeSet::new(),
            isolations: BTreeSet::new(),
        }
    }

    /// Notes where programs ran.
    pub fn note(&mut self, outcome: &Outcome) {
        for execution in &outcome.executions {
            if !self.backends.contains(&execution.backend) {
                self.backends.insert(execution.backend.clone());
            }
            self.isolations.insert(execution.isolation.word());
        }
    }

    /// The fingerprint. Waits for the data to be read, unless the run was interrupted.
    pub fn finish(self, runner: &Runner, is_interrupted: bool) -> Fingerprint {
        self.stop.store(is_interrupted, Ordering::Relaxed);
        let mut parts = vec![("suites".to_owned(), self.suites)];
        let mut put = |name: &str, value: String| parts.push((name.to_owned(), value));
        if let Some(reading) = self.data {
            let digest = reading.join().expect("reading files panics nowhere");
            put("data", digest.map_or("not read".to_owned(), Digest::short));
        }
        if let Some(rules) = self.rules {
            put("rules", rules);
        }
        if let Some(selection) = self.selection {
            put("selection", selection);
        }
        for (command, version) in runner.interpreters() {
            put(&command, version);
        }
        let list = |words: Vec<&str>| words.join("+");
        if !self.isolations.is_empty() {
            let backends = self.backends.iter().map(String::as_str).collect();
            put("backend", list(backends));
            put("isolation", list(self.isolations.into_iter().collect()));
        }
        put("rewardspec", env!("CARGO_PKG_VERSION").to_owned());
        Fingerprint { parts }
    }
}

fn digest_of(selection: &Selection) -> String {
    let mut digest = Digest::default();
    digest.part(selection.filter.as_deref().unwrap_or_default().as_bytes());
    for words in [&selection.tags, &selection.languages] {
        let words: BTreeSet<&str> = words.iter().map(String::as_str).collect();
        digest.part(words.into_iter().collect::<Vec<_>>().join("\n").as_bytes());
    }
    let limit = selection.limit.map(|limit| limit.to_string());
    digest.part(limit.unwrap_or_default().as_bytes());
    digest.short()
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts.iter();
        let parts: Vec<_> = parts
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        formatter.write_str(&parts.join(", "))
    }
}
