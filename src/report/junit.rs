//! A run as JUnit XML, which CI systems read: a `testsuite` for each suite, a `testcase` for each case
//! and each requirement. Written when the run is over, also when it was interrupted.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};

use super::{Reporter, Sink, Summary, explain_case};
use crate::escape::visible_line;
use crate::evaluator::CaseId;
use crate::reward::{FaultKind, Judged};
use crate::run::{CaseResult, Judgement, RequirementResult, Verdict};

/// The reporter `junit`.
pub struct Junit {
    writer: Box<dyn Write>,
    suites: BTreeMap<String, Vec<TestCase>>,
}

/// What is kept of a case until the end.
struct TestCase {
    name: String,
    time: Duration,
    verdict: Told,
}

/// What came of a test, in JUnit's words.
enum Told {
    Passed,
    /// Passed, with something to read.
    Noted(String),
    Skipped(String),
    Failure(Reason),
    Error(Reason),
}

struct Reason {
    kind: &'static str,
    message: String,
    text: String,
}

#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    time: Duration,
}

impl Junit {
    /// A reporter that writes there.
    pub fn new(sink: Sink) -> Self {
        Junit {
            writer: sink.writer,
            suites: BTreeMap::new(),
        }
    }

    fn put(&mut self, suite: &str, case: TestCase) {
        self.suites.entry(suite.to_owned()).or_default().push(case);
    }
}

impl Reporter for Junit {
    fn started(&mut self, _: &[String]) -> io::Result<()> {
        Ok(())
    }

    fn skipped(&mut self, id: &CaseId, reason: &str) -> io::Result<()> {
        let case = TestCase {
            name: id.name(),
            time: Duration::ZERO,
            verdict: Told::Skipped(reason.to_owned()),
        };
        self.put(&id.suite, case);
        Ok(())
    }

    fn finished(&mut self, case: &CaseResult) -> io::Result<()> {
        let told = TestCase {
            name: case.id.name(),
            time: case.elapsed(),
            verdict: told(case),
        };
        self.put(&case.id.suite, told);
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        for result in &summary.requirements {
            let suite = result.whole.suite.clone();
            self.put(&suite, requirement(result));
        }
        let text = document(&self.suites, summary)?;
        self.writer.write_all(text.as_bytes())?;
        self.writer.flush()
    }
}

fn told(case: &CaseResult) -> Told {
    let text = || match case.written_at() {
        Some(line) => format!(
            "{}\nwritten at {}:{}",
            explain_case(case),
            line.file,
            line.number
        ),
        None => explain_case(case),
    };
    match case.verdict() {
        Verdict::Passed if is_beside(case) => Told::Noted(
            "its tests were judged beside the program, which can forge their verdict".to_owned(),
        ),
        Verdict::Passed => Told::Passed,
        Verdict::Counted => Told::Noted(text()),
        Verdict::Failed => Told::Failure(failure(case, text())),
        Verdict::Fault(fault) => Told::Error(Reason {
            kind: kind(fault.kind),
            message: visible_line(&fault.message),
            text: text(),
        }),
    }
}

/// Whether tests were judged where the program could reach them.
fn is_beside(case: &CaseResult) -> bool {
    case.outcomes.iter().any(|outcome| {
        let reward = outcome.result.as_ref().ok();
        reward.and_then(|reward| reward.judged) == Some(Judged::Beside)
    })
}

/// The first reply that is not as wanted: its cause, and its reason.
fn failure(case: &CaseResult, text: String) -> Reason {
    let rewards = || {
        case.outcomes
            .iter()
            .filter_map(|outcome| outcome.result.as_ref().ok())
    };
    let bad = rewards().find(|reward| !reward.passed);
    let cause = bad.and_then(|reward| reward.cause);
    Reason {
        kind: cause.map_or("not_as_wanted", |cause| cause.word()),
        message: bad.map_or(String::new(), |reward| visible_line(&reward.reason)),
        text,
    }
}

fn requirement(result: &RequirementResult) -> TestCase {
    let aggregate = result.requirement.aggregate;
    let cell = result.whole.cell.as_ref();
    let cell = cell.map_or(String::new(), |cell| format!("[{cell}] "));
    let text = result.to_string();
    let reason = |kind| Reason {
        kind,
        message: text.clone(),
        text: text.clone(),
    };
    let verdict = match &result.judgement {
        Judgement::Met(_) => Told::Noted(text),
        Judgement::Missed(_) => Told::Failure(reason("require")),
        Judgement::Unknown {
            kind: Some(whose), ..
        } => Told::Error(reason(kind(*whose))),
        Judgement::Unknown { kind: None, .. } => Told::Skipped(text),
    };
    TestCase {
        name: format!("{cell}require {aggregate}"),
        time: Duration::ZERO,
        verdict,
    }
}

fn kind(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Infrastructure => "infrastructure",
        FaultKind::Configuration | FaultKind::Input => "configuration",
    }
}

impl Counts {
    fn add(&mut self, case: &TestCase) {
        self.tests += 1;
        self.time += case.time;
        match &case.verdict {
            Told::Passed | Told::Noted(_) => {}
            Told::Skipped(_) => self.skipped += 1,
            Told::Failure(_) => self.failures += 1,
            Told::Error(_) => self.errors += 1,
        }
    }

    fn of(cases: &[TestCase]) -> Self {
        let mut counts = Counts::default();
        cases.iter().for_each(|case| counts.add(case));
        counts
    }
}

type Xml = Writer<Vec<u8>>;

fn document(suites: &BTreeMap<String, Vec<TestCase>>, summary: &Summary) -> io::Result<String> {
    let mut all = Counts::default();
    suites.values().flatten().for_each(|case| all.add(case));
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(quick_xml::events::BytesDecl::new(
        "1.0",
        Some("UTF-8"),
        None,
    )))?;
    let attributes = [
        ("name", "rewardspec".to_owned()),
        ("tests", all.tests.to_string()),
        ("failures", all.failures.to_string()),
        ("errors", all.errors.to_string()),
        ("time", format!("{:.3}", summary.seconds)),
    ];
    within(&mut xml, "testsuites", &attributes, |xml| {
        suites
            .iter()
            .try_for_each(|(name, cases)| suite(xml, name, cases, summary))
    })?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    Ok(String::from_utf8(bytes).expect("XML of text is text"))
}

fn suite(xml: &mut Xml, name: &str, cases: &[TestCase], summary: &Summary) -> io::Result<()> {
    let counts = Counts::of(cases);
    let attributes = [
        ("name", name.to_owned()),
        ("tests", counts.tests.to_string()),
        ("failures", counts.failures.to_string()),
        ("errors", counts.errors.to_string()),
        ("skipped", counts.skipped.to_string()),
        ("time", seconds(counts.time)),
    ];
    within(xml, "testsuite", &attributes, |xml| {
        if let Some(fingerprint) = &summary.fingerprint {
            within(xml, "properties", &[], |xml| {
                let whole = ("fingerprint".to_owned(), fingerprint.to_string());
                let parts = fingerprint.parts.iter();
                let parts =
                    parts.map(|(name, value)| (format!("fingerprint.{name}"), value.clone()));
                std::iter::once(whole)
                    .chain(parts)
                    .try_for_each(|(name, value)| {
                        leaf(xml, "property", &[("name", name), ("value", value)], "")
                    })
            })?;
        }
        cases.iter().try_for_each(|case| testcase(xml, name, case))
    })
}

fn testcase(xml: &mut Xml, suite: &str, case: &TestCase) -> io::Result<()> {
    let attributes = [
        ("classname", suite.to_owned()),
        ("name", case.name.clone()),
        ("time", seconds(case.time)),
    ];
    let reason = |xml: &mut Xml, element, reason: &Reason| {
        let attributes = [
            ("type", reason.kind.to_owned()),
            ("message", reason.message.clone()),
        ];
        leaf(xml, element, &attributes, &reason.text)
    };
    match &case.verdict {
        Told::Passed => leaf(xml, "testcase", &attributes, ""),
        Told::Noted(text) => within(xml, "testcase", &attributes, |xml| {
            leaf(xml, "system-out", &[], text)
        }),
        Told::Skipped(why) => within(xml, "testcase", &attributes, |xml| {
            leaf(xml, "skipped", &[("message", why.clone())], "")
        }),
        Told::Failure(why) => within(xml, "testcase", &attributes, |xml| {
            reason(xml, "failure", why)
        }),
        Told::Error(why) => within(xml, "testcase", &attributes, |xml| {
            reason(xml, "error", why)
        }),
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

fn start<'a>(name: &'a str, attributes: &[(&str, String)]) -> BytesStart<'a> {
    let mut start = BytesStart::new(name);
    for (name, value) in attributes {
        start.push_attribute((*name, writable(value).as_str()));
    }
    start
}

/// An element with elements in it.
fn within(
    xml: &mut Xml,
    name: &str,
    attributes: &[(&str, String)],
    put: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    xml.write_event(Event::Start(start(name, attributes)))?;
    put(xml)?;
    xml.write_event(Event::End(BytesEnd::new(name)))
}

/// An element with text in it, or nothing.
fn leaf(xml: &mut Xml, name: &str, attributes: &[(&str, String)], text: &str) -> io::Result<()> {
    let start = start(name, attributes);
    if text.is_empty() {
        return xml.write_event(Event::Empty(start));
    }
    xml.write_event(Event::Start(start))?;
    xml.write_event(Event::Text(BytesText::new(&writable(text))))?;
    xml.write_event(Event::End(BytesEnd::new(name)))
}

/// Without the characters that XML 1.0 cannot hold, not even escaped
/// (<https://www.w3.org/TR/xml/#charsets>).
fn writable(text: &str) -> String {
    text.chars()
        .filter(|letter| match letter {
            '\t' | '\n' | '\r' => true,
            '\u{fffe}' | '\u{ffff}' => false,
            letter => *letter >= ' ',
        })
        .collect()
}
