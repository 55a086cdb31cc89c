//! What suites, rules and data hold as short texts by which two runs can be compared: SHA-256, twelve
//! digits of it. Neither where files lie nor the order in which they are named makes a difference.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest as _, Sha256};

use super::Project;
use crate::compile::SuitePlan;
use crate::source::SourceId;

/// Bytes of the digest that are shown, two digits each.
const BYTES_SHOWN: usize = 6;
/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 1 << 16;

/// A digest of several parts, none of which runs into the next.
#[derive(Debug, Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Adds a part.
    pub fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn whole(self) -> Vec<u8> {
        self.0.finalize().to_vec()
    }

    /// Its first digits.
    pub fn short(self) -> String {
        let bytes = self.whole();
        bytes[..BYTES_SHOWN]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// The files of datasets: the suite, the path as it is written there, and where it leads.
#[derive(Debug)]
pub struct DataFiles(BTreeSet<(String, String, PathBuf)>);

impl Project {
    /// The texts of suites and of the files that they name, datasets apart.
    pub fn digest_of_suites(&self, suites: &[SuitePlan]) -> Digest {
        let mut each: Vec<Vec<u8>> = suites
            .iter()
            .map(|suite| {
                let mut digest = Digest::default();
                self.add_source(&mut digest, suite.written_at.source);
                digest.whole()
            })
            .collect();
        each.sort();
        let mut digest = Digest::default();
        each.iter().for_each(|suite| digest.part(suite));
        digest
    }

    /// The texts of the project's own rule packs; none without one.
    pub fn digest_of_rules(&self) -> Option<Digest> {
        let own = || self.packs.iter().filter(|pack| !pack.pack.is_standard);
        own().next()?;
        let mut digest = Digest::default();
        for pack in own() {
            digest.part(pack.pack.name.as_bytes());
            self.add_source(&mut digest, pack.source);
        }
        Some(digest)
    }

    fn add_source(&self, digest: &mut Digest, source: SourceId) {
        digest.part(self.sources.get(source).text.as_bytes());
        for (written, path) in self.named.get(&source).into_iter().flatten() {
            digest.part(written.as_bytes());
            if let Some(Ok(bytes)) = self.files.get(path) {
                digest.part(bytes);
            }
        }
    }
}

impl DataFiles {
    /// Those of suites.
    pub fn of(suites: &[SuitePlan]) -> Self {
        let cases = suites.iter().flat_map(|suite| &suite.cases);
        let files = cases.filter_map(|case| {
            let dataset = case.dataset.as_ref()?;
            let written = dataset.written.value.clone();
            Some((case.id.suite.clone(), written, dataset.file.path.clone()))
        });
        DataFiles(files.collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads them all, a piece at a time, until `stop` says otherwise. None when it did, or when one
    /// cannot be read: its rows tell why.
    pub fn digest(&self, stop: &AtomicBool) -> Option<Digest> {
        let mut digest = Digest::default();
        for (suite, written, path) in &self.0 {
            digest.part(suite.as_bytes());
            digest.part(written.as_bytes());
            // What is no file may never end.
            std::fs::metadata(path).ok().filter(|data| data.is_file())?;
            let content = digest_of_file(File::open(path).ok()?, stop)?;
            digest.part(&content);
        }
        Some(digest)
    }
}

fn digest_of_file(mut file: File, stop: &AtomicBool) -> Option<Vec<u8>> {
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    while !stop.load(Ordering::Relaxed) {
        match file.read(&mut piece) {
            Ok(0) => return Some(digest.finalize().to_vec()),
            Ok(count) => digest.update(&piece[..count]),
            Err(_) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let digest = |parts: &[&str]| {
            let mut digest = Digest::default();
            parts.iter().for_each(|part| digest.part(part.as_bytes()));
            digest.short()
        };
        assert_eq!(digest(&["ab", "c"]), digest(&["ab", "c"]));
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&[]), "e3b0c44298fc", "SHA-256 of nothing");
    }
}
