//! The standard pack: the files of `rules/`, compiled in.

/// Where its files are said to be.
pub(super) const DIRECTORY: &str = "<standard rules>";

/// Path under `rules/` and content.
pub(super) const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/standard_pack.rs"));
