//! The standard pack: the files of `rules/`, compiled in.

/// Where its files are said to be.
pub(super) const DIRECTORY: &str = "<standard rules>";

/// Path under `rules/` and content.
pub(super) const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/standard_pack.rs"));

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{DIRECTORY, FILES};
    use crate::compile::{Files, compile_rules, resolve_path};
    use crate::source::Sources;
    use crate::syntax::rules::{RulePack, parse_rules};

    /// At a start its patterns are taken for right: here they are read.
    #[test]
    fn every_pattern_is_one() {
        let (mut sources, mut files) = (Sources::default(), Files::new());
        let mut packs = Vec::new();
        for (name, bytes) in FILES {
            let path = resolve_path(Path::new(DIRECTORY), name);
            files.insert(path.clone(), Ok(bytes.to_vec()));
            if name.ends_with(".yaml") {
                let text = std::str::from_utf8(bytes).unwrap();
                let home = path.parent().unwrap();
                let source = sources.add(path.display().to_string(), home, text);
                packs.push(parse_rules(name, source, text).unwrap());
            }
        }
        let packs: Vec<&RulePack> = packs.iter().collect();
        assert!(packs.iter().all(|pack| !pack.is_standard));
        let (_, diagnostics) = compile_rules(&packs, &BTreeSet::new(), &files, &sources);
        let told = diagnostics.render(&sources, false);
        assert!(diagnostics.is_empty(), "{told}");
    }
}
