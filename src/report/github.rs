//! A run for GitHub Actions: an annotation for each case that is not as wanted, at the place where it is
//! written, and a summary of the job.
//!
//! Workflow commands are escaped as GitHub's toolkit does (`packages/core/src/command.ts`): each is one
//! line, whatever a program has printed, and no other line begins with `::`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

use super::{Reporter, Sink, Summary, explain_case, table};
use crate::escape::visible_line;
use crate::reward::FaultKind;
use crate::run::{CaseResult, Verdict};
use crate::source::Line;

/// Annotations of one run; GitHub shows fewer.
const ANNOTATIONS_MAX: usize = 50;

/// The variable that names the file of the job's summary.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// The reporter `github`.
pub struct Github {
    writer: Box<dyn Write>,
    /// The file of the job's summary, where there is one.
    summary: Option<PathBuf>,
    annotations: usize,
    more: usize,
}

impl Github {
    /// A reporter that writes there.
    pub fn new(sink: Sink) -> Self {
        Github {
            writer: sink.writer,
            summary: std::env::var_os(SUMMARY)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            annotations: 0,
            more: 0,
        }
    }

    fn annotate(
        &mut self,
        level: &str,
        place: Option<&Line>,
        title: &str,
        message: &str,
    ) -> io::Result<()> {
        if self.annotations == ANNOTATIONS_MAX {
            self.more += 1;
            return Ok(());
        }
        self.annotations += 1;
        let line = command(level, place, title, message);
        writeln!(self.writer, "{line}")?;
        self.writer.flush()
    }
}

/// A workflow command.
fn command(level: &str, place: Option<&Line>, title: &str, message: &str) -> String {
    let place = place.map_or(String::new(), |place| {
        format!("file={},line={},", property(&place.file), place.number)
    });
    format!(
        "::{level} {place}title={}::{}",
        property(&visible_line(title)),
        data(message)
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

impl Reporter for Github {
    fn started(&mut self, notices: &[String]) -> io::Result<()> {
        for notice in notices {
            writeln!(self.writer, "note: {}", visible_line(notice))?;
        }
        Ok(())
    }

    fn finished(&mut self, case: &CaseResult) -> io::Result<()> {
        let level = match case.verdict() {
            Verdict::Passed | Verdict::Counted => return Ok(()),
            Verdict::Fault(fault) if fault.kind == FaultKind::Infrastructure => "warning",
            Verdict::Failed | Verdict::Fault(_) => "error",
        };
        let title = case.id.to_string();
        self.annotate(level, case.written_at(), &title, &explain_case(case))
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        if self.more > 0 {
            writeln!(
                self.writer,
                "… and {} more cases that are not as wanted; `--format jsonl` has them all",
                self.more
            )?;
        }
        for result in &summary.requirements {
            let level = match result.fault() {
                Some(FaultKind::Infrastructure) => "warning",
                Some(_) => "error",
                None if result.is_missed() => "error",
                None => continue,
            };
            let title = format!("require {}", result.whole);
            let place = Some(&result.requirement.written_at);
            let line = command(level, place, &title, &visible_line(&result.to_string()));
            writeln!(self.writer, "{line}")?;
        }
        match &self.summary {
            Some(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                file.and_then(|mut file| file.write_all(table::markdown(summary).as_bytes()))
                    .map_err(|error| {
                        let path = path.display();
                        io::Error::other(format!(
                            "cannot write `{path}`, which {SUMMARY} names: {error}"
                        ))
                    })?;
            }
            None => {
                write!(self.writer, "{}", table::text(summary))?;
                for line in table::lines(summary) {
                    writeln!(self.writer, "{}", visible_line(&line))?;
                }
            }
        }
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::command;
    use crate::source::Line;

    #[test]
    fn commands_are_one_line_and_escaped_as_github_does() {
        let line = Line {
            file: "suites/a,b:c.yaml".to_owned(),
            number: 7,
        };
        for (title, message, wanted) in [
            ("s::one", "wrong", "title=s%3A%3Aone::wrong"),
            (
                "a, b",
                "100 %\r\n::set-output name=x::y",
                "title=a%2C b::100 %25%0D%0A::set-output name=x::y",
            ),
            (
                "t\n::stop-commands::x",
                "\n::stop-commands::x\n",
                "title=t\\n\\u{3a}%3Astop-commands%3A%3Ax::%0A::stop-commands::x%0A",
            ),
        ] {
            let found = command("error", Some(&line), title, message);
            assert_eq!(found.lines().count(), 1);
            let begin = "::error file=suites/a%2Cb%3Ac.yaml,line=7,";
            assert_eq!(found.strip_prefix(begin).unwrap(), wanted);
        }
        assert_eq!(
            command("warning", None, "t", "m"),
            "::warning title=t::m",
            "without a place"
        );
    }
}
