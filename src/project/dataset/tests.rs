//! Tables: what each reader makes of files, odd ones too.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{RowFile, Start};
use crate::compile::DataFile;
use crate::diagnostic::Diagnostic;

/// What is read: `number@line:column JSON`, `bad line:column message` or `end line:column message`.
fn read(name: &str, bytes: &[u8]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let file = DataFile::new(path, None);
    let mut forward = RowFile::open(&file, "f".to_owned()).unwrap();
    let mut told = Vec::new();
    let mut starts = Vec::new();
    loop {
        match forward.advance() {
            Ok(None) => break,
            Ok(Some(start)) => {
                told.push(row(&mut forward, start));
                starts.push(start);
            }
            Err(diagnostic) => {
                told.push(format!("end {}", place(&diagnostic)));
                break;
            }
        }
    }
    // What is read out of order is the same.
    let mut anywhere = RowFile::open_seekable(&file, "f".to_owned()).unwrap();
    if !starts.is_empty() {
        anywhere.advance().unwrap();
    }
    for (index, start) in starts.into_iter().enumerate().rev() {
        anywhere.go_past(start).unwrap();
        assert_eq!(row(&mut anywhere, start), told[index], "{name}");
    }
    told
}

fn row(file: &mut RowFile, start: Start) -> String {
    match file.row(start) {
        Ok(row) => format!(
            "{}@{}:{} {}",
            row.number,
            row.line,
            row.column,
            serde_json::to_string(&row.columns).unwrap()
        ),
        Err(diagnostic) => format!("bad {}", place(&diagnostic)),
    }
}

fn place(diagnostic: &Diagnostic) -> String {
    let row = diagnostic.row.as_ref().unwrap();
    assert!(
        row.column > row.skipped,
        "the caret stands in the text: {row:?}"
    );
    format!("{}:{} {}", row.line, row.column, diagnostic.message)
}

#[track_caller]
fn assert_rows(name: &str, table: &[(&[u8], &[&str])]) {
    for (bytes, expected) in table {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(read(name, bytes), *expected, "{text}");
    }
}

#[test]
fn jsonl() {
    assert_rows(
        "a.jsonl",
        &[
            (b"", &[]),
            (b"\n \r\n", &[]),
            (b"{\"a\":1}", &[r#"1@1:1 {"a":1}"#]),
            (
                b"\xef\xbb\xbf{\"a\":1.10}\r\n\r\n{\"b\":\"\\n\"}\r\n",
                &[r#"1@1:1 {"a":1.10}"#, r#"3@3:1 {"b":"\n"}"#],
            ),
            (
                "{\"é\": x}\n{\"a\":2}\n".as_bytes(),
                &[
                    "bad 1:7 the row is not JSON: expected value",
                    r#"2@2:1 {"a":2}"#,
                ],
            ),
            (b"[1]\n", &["bad 1:1 the row is no JSON object"]),
            (b"{\"a\":\"\xff\"}\n", &["bad 1:7 the row is not UTF-8"]),
        ],
    );
}

#[test]
fn json() {
    assert_rows(
        "a.json",
        &[
            (b"[]", &[]),
            (b" \n [ \n ] \n", &[]),
            (
                b"\xef\xbb\xbf[{\"a\":1},\r\n  {\"b\": {\"c\": [1, {}]}}]",
                &[r#"1@1:2 {"a":1}"#, r#"2@2:3 {"b":{"c":[1,{}]}}"#],
            ),
            (
                br#"[{"a":"}]\"{[\\"},{"b":"\\\""}]"#,
                &[r#"1@1:2 {"a":"}]\"{[\\"}"#, r#"2@1:19 {"b":"\\\""}"#],
            ),
            (
                b"[{\n\"a\": 1,\n\"b\": x\n}, {\"c\": 3}]",
                &[
                    "bad 3:6 the row is not JSON: expected value",
                    r#"2@4:4 {"c":3}"#,
                ],
            ),
            (
                b"[{\"a\": 1, }, {\"b\": 2}]",
                &[
                    "bad 1:11 the row is not JSON: trailing comma",
                    r#"2@1:14 {"b":2}"#,
                ],
            ),
            (
                b"[1, \"x,]\", {\"a\":1}]",
                &[
                    "bad 1:2 the row is no JSON object",
                    "bad 1:5 the row is no JSON object",
                    r#"3@1:12 {"a":1}"#,
                ],
            ),
            (
                b"[{\"a\":1},\n]",
                &[r#"1@1:2 {"a":1}"#, "end 2:1 expected a row after the comma"],
            ),
            (b"[,]", &["end 1:2 expected a row"]),
            (
                b"[{} {}]",
                &["1@1:2 {}", "end 1:5 expected `,` or `]` after the row"],
            ),
            (
                b"[{}]\n{}",
                &["1@1:2 {}", "end 2:1 something stands after the list"],
            ),
            (
                b"[{}",
                &["1@1:2 {}", "end 1:4 the list is not closed: expected `]`"],
            ),
            (
                b"[{},\n {\"a\": \"b",
                &[
                    "1@1:2 {}",
                    "end 2:9 the row is not JSON: EOF while parsing a string",
                ],
            ),
            (b"", &["end 1:1 expected a JSON list: `[`"]),
            (b"{\"a\": 1}", &["end 1:1 expected a JSON list: `[`"]),
        ],
    );
}

#[test]
fn csv() {
    assert_rows(
        "a.csv",
        &[
            (b"", &[]),
            (b"a,b\n", &[]),
            (b"a,b", &[]),
            (
                b"\xef\xbb\xbfa,b\r\n1,x\r\n\r\n2,\r\n",
                &[r#"2@2:1 {"a":"1","b":"x"}"#, r#"4@4:1 {"a":"2","b":""}"#],
            ),
            (
                b"a,b\n\"1\n,\"\"\",x\n3,\"\"\"\"",
                &[
                    r#"2@2:1 {"a":"1\n,\"","b":"x"}"#,
                    r#"4@4:1 {"a":"3","b":"\""}"#,
                ],
            ),
            (b"a\r1\r2", &[r#"1@1:3 {"a":"1"}"#, r#"1@1:5 {"a":"2"}"#]),
            (
                b"a,b\n1\n1,2,3\n1,2\n",
                &[
                    "bad 2:2 the row has 1 field, and the first line names 2",
                    "bad 3:5 the row has 3 fields, and the first line names 2",
                    r#"4@4:1 {"a":"1","b":"2"}"#,
                ],
            ),
            (
                "a,b\né,\"x\n"
                    .as_bytes()
                    .iter()
                    .chain(b"y\xff\"\n1,2")
                    .copied()
                    .collect::<Vec<u8>>()
                    .leak(),
                &["bad 3:2 the row is not UTF-8", r#"4@4:1 {"a":"1","b":"2"}"#],
            ),
            (
                b"a,b\n1,\"2\n3,4\n",
                &["end 2:1 a quote in this row is not closed"],
            ),
            (b"a,b,a\n1,2,3\n", &["end 1:5 two columns are named `a`"]),
            (b"a,\xff\n", &["end 1:3 the row is not UTF-8"]),
        ],
    );
}

#[test]
fn packed_files_of_several_members() {
    let pack = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let jsonl = [pack("{\"a\":1}\n{\"a\""), pack(":2}\n")].concat();
    let rows = [r#"1@1:1 {"a":1}"#, r#"2@2:1 {"a":2}"#];
    assert_eq!(read("a.jsonl.gz", &jsonl), rows);
    assert_eq!(
        read("a.json.gz", &pack("[{\"a\":1},\n{\"a\":2}]"))[1],
        r#"2@2:1 {"a":2}"#
    );
    assert_eq!(read("a.csv.gz", &pack("a\n1\n")), [r#"2@2:1 {"a":"1"}"#]);
}

#[test]
fn a_packed_file_that_is_cut_off_is_no_end_of_rows() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"{\"a\":1}\n").unwrap();
    let packed = encoder.finish().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.jsonl.gz");
    std::fs::write(&path, &packed[..packed.len() - 6]).unwrap();
    let mut rows = RowFile::open(&DataFile::new(path, None), "f".to_owned()).unwrap();
    let mut ends = std::iter::from_fn(|| rows.advance().transpose());
    assert!(ends.any(|end| end.is_err_and(|wrong| wrong.message.starts_with("cannot read on"))));
}
