//! Keys and words of the language that this version does not have yet.
//!
//! They are told apart from mistakes: a suite that uses one is never run as if it were absent.

/// What to say of a key that the language has and this version has not.
pub(super) fn key(map: &str, key: &str) -> Option<String> {
    let keys: &[&str] = match map {
        "Keys" | "Suite" => &["matrix", "model", "samples", "reference", "require", "only"],
        "Limits" => &["total"],
        "Reply" => &["join", "field"],
        "Dataset" => &["format", "where", "limit", "shuffle", "seed", "on_bad_row"],
        "Expect?" => &[
            "stderr", "files", "duration", "memory", "checks", "credit", "stop",
        ],
        "StdinCases?" => &["credit", "stop"],
        "Content?" | "Tests?" => &[
            "credit", "stop", "call", "args", "kwargs", "returns", "raises",
        ],
        "Language" => &["apart", "fork_server", "check"],
        "LanguageName?" => &["preload"],
        "RulePack" => &["models", "hacks"],
        _ => &[],
    };
    keys.contains(&key)
        .then(|| format!("`{key}` is not in this version"))
}

/// What to say of a word that the language has and this version has not.
pub(super) fn word(list: &str, word: &str, known: &[&str]) -> Option<String> {
    let words: &[&str] = match list {
        "Judged" => &["apart"],
        "Reuse" => &["shared"],
        _ => &[],
    };
    (words.contains(&word) && !known.contains(&word))
        .then(|| format!("`{word}` is not in this version"))
}
