//! Terminals: escape sequences (ECMA-48), and what is seen when a text is printed on one.

use std::borrow::Cow;
use std::collections::BTreeMap;

use unicode_width::UnicodeWidthChar;

/// An escape sequence.
#[derive(Debug, PartialEq, Eq)]
enum Sequence<'t> {
    /// A control sequence: its parameters and the letter that says what it does.
    Control(&'t str, char),
    /// Titles, links, character sets, and what is incomplete: nothing is drawn by it.
    Other,
}

/// Whether a sequence may begin with this letter: ESC, or a control of the second set (8-bit).
fn begins(letter: char) -> bool {
    matches!(letter, '\u{1b}' | '\u{90}' | '\u{98}' | '\u{9b}'..='\u{9f}')
}

/// The sequence at the beginning of a text that begins with one, and its length in bytes.
///
/// A control sequence that is broken ends before what breaks it. A title, a link or another string
/// ends with BEL, ST, CAN or SUB, before another ESC, and at the end of its line at the latest: a
/// sequence that is never ended hides no more than that.
fn sequence(text: &str) -> (Sequence<'_>, usize) {
    let bytes = text.as_bytes();
    let (kind, start) = if bytes[0] == 0x1b {
        match bytes.get(1) {
            None => return (Sequence::Other, 1),
            Some(kind) => (*kind, 2),
        }
    } else {
        // The second set repeats what follows ESC: U+009B is `ESC [`.
        (bytes[1] - 0x40, 2)
    };
    let run = |from: usize, from_byte: u8, to_byte: u8| {
        let of = |byte: &&u8| (from_byte..=to_byte).contains(*byte);
        from + bytes[from..].iter().take_while(of).count()
    };
    match kind {
        b'[' => {
            let parameters = run(start, 0x30, 0x3f);
            let end = run(parameters, 0x20, 0x2f);
            match bytes.get(end) {
                Some(last @ 0x40..=0x7e) if parameters == end => (
                    Sequence::Control(&text[start..end], char::from(*last)),
                    end + 1,
                ),
                Some(0x40..=0x7e) => (Sequence::Other, end + 1),
                _ => (Sequence::Other, end),
            }
        }
        b']' | b'P' | b'X' | b'^' | b'_' => {
            let is_title = kind == b']';
            let ends = |letter: char| {
                matches!(letter, '\u{1b}' | '\u{9c}' | '\u{18}' | '\u{1a}' | '\n')
                    || is_title && letter == '\u{7}'
            };
            let rest = &text[start..];
            let end = start + rest.find(ends).unwrap_or(rest.len());
            let length = match text[end..].chars().next() {
                Some('\u{1b}') if bytes.get(end + 1) == Some(&b'\\') => 2,
                None | Some('\u{1b}' | '\n') => 0,
                Some(letter) => letter.len_utf8(),
            };
            (Sequence::Other, end + length)
        }
        // Of two letters, perhaps with others between: `ESC ( B`.
        _ if bytes[0] == 0x1b => {
            let end = run(1, 0x20, 0x2f);
            match bytes.get(end) {
                Some(0x30..=0x7e) => (Sequence::Other, end + 1),
                _ => (Sequence::Other, end),
            }
        }
        _ => (Sequence::Other, start),
    }
}

/// Removes escape sequences.
pub(super) fn strip(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find(begins) else {
        return Cow::Borrowed(text);
    };
    let mut plain = String::with_capacity(text.len());
    let (before, mut rest) = text.split_at(first);
    plain.push_str(before);
    while !rest.is_empty() {
        let (_, length) = sequence(rest);
        rest = &rest[length..];
        let until = rest.find(begins).unwrap_or(rest.len());
        plain.push_str(&rest[..until]);
        rest = &rest[until..];
    }
    Cow::Owned(plain)
}

/// What is seen after a text is printed. Carriage return and backspace move the cursor and what
/// comes then overwrites; sequences that move the cursor or erase do so, all others do nothing. A
/// letter takes the cells that Unicode gives it; half of a wide letter that is overwritten is
/// blank. The terminal is as large as it must be.
pub(super) fn screen(text: &str) -> Cow<'_, str> {
    let draws = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    if !text.contains(draws) {
        return Cow::Borrowed(text);
    }
    let mut screen = Screen {
        done: String::with_capacity(text.len()),
        keeps_rows: moves_up_or_down(text),
        rows: BTreeMap::new(),
        row: Row::default(),
        row_number: 0,
        bottom: 0,
        column: 0,
        effort: text.len().saturating_mul(2).saturating_add(1 << 16),
    };
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            screen.line_break();
        }
        screen.print(line);
    }
    Cow::Owned(screen.seen())
}

fn moves_up_or_down(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find(begins) {
        let (sequence, length) = sequence(&rest[at..]);
        if matches!(
            sequence,
            Sequence::Control(_, 'A' | 'B' | 'E' | 'F' | 'H' | 'f' | 'J')
        ) {
            return true;
        }
        rest = &rest[at + length..];
    }
    false
}

struct Screen {
    /// Rows that the cursor has left for good.
    done: String,
    /// Whether the cursor may come back to a row.
    keeps_rows: bool,
    /// Rows that the cursor may come back to, except the one it is in; a row that is not there is
    /// empty.
    rows: BTreeMap<usize, Row>,
    row: Row,
    row_number: usize,
    /// The last row that the cursor was in.
    bottom: usize,
    column: usize,
    /// Cells that may be filled or erased though nothing was printed into them: a short sequence
    /// can ask for any number.
    effort: usize,
}

/// The cells of a row.
#[derive(Default)]
struct Row {
    /// Letters, [`REST`], or from [`CLUSTERS`] on a letter with the marks on it.
    cells: Vec<u32>,
    clusters: Vec<String>,
}

/// A cell that the letter before it takes, as wide letters and tabs do.
const REST: u32 = 0;
const BLANK: u32 = ' ' as u32;
/// Beyond all letters.
const CLUSTERS: u32 = 0x11_0000;
/// Cells from one tab stop to the next.
const TAB: usize = 8;

impl Row {
    /// Blanks what a letter beginning or ending outside of these cells leaves in them.
    fn free(&mut self, start: usize, end: usize) {
        let mut head = start;
        while head > 0 && self.cells.get(head) == Some(&REST) {
            head -= 1;
            if self.cells[head] != REST {
                self.cells[head..start].fill(BLANK);
                break;
            }
        }
        for cell in self.cells.iter_mut().skip(end) {
            if *cell != REST {
                break;
            }
            *cell = BLANK;
        }
    }

    fn write(&mut self, column: usize, cell: u32, width: usize) {
        let end = column + width;
        if column < self.cells.len() {
            self.free(column, end);
        }
        if self.cells.len() < end {
            self.cells.resize(end, BLANK);
        }
        self.cells[column] = cell;
        self.cells[column + 1..end].fill(REST);
    }

    /// Puts a mark on the letter before a column.
    fn mark(&mut self, column: usize, mark: char) {
        let before = self
            .cells
            .iter()
            .take(column)
            .rposition(|cell| *cell != REST);
        let Some(at) = before else { return };
        if let Some(cluster) = self.cells[at].checked_sub(CLUSTERS) {
            self.clusters[cluster as usize].push(mark);
            return;
        }
        let letter = char::from_u32(self.cells[at]).unwrap_or(' ');
        self.cells[at] = CLUSTERS + u32::try_from(self.clusters.len()).unwrap_or(0);
        self.clusters.push(String::from_iter([letter, mark]));
    }

    fn show(&self, seen: &mut String) {
        for cell in &self.cells {
            match cell.checked_sub(CLUSTERS) {
                Some(cluster) => seen.push_str(&self.clusters[cluster as usize]),
                None if *cell == REST => {}
                None => seen.extend(char::from_u32(*cell)),
            }
        }
    }

    fn clear(&mut self) {
        self.cells.clear();
        self.clusters.clear();
    }
}

impl Screen {
    fn line_break(&mut self) {
        if self.keeps_rows {
            self.go_to_row(self.row_number + 1);
        } else {
            self.row.show(&mut self.done);
            self.done.push('\n');
            self.row.clear();
        }
        self.column = 0;
    }

    fn go_to_row(&mut self, number: usize) {
        if number == self.row_number {
            return;
        }
        let next = self.rows.remove(&number).unwrap_or_default();
        let left = std::mem::replace(&mut self.row, next);
        if !left.cells.is_empty() {
            self.rows.insert(self.row_number, left);
        }
        self.row_number = number;
        self.bottom = self.bottom.max(number);
    }

    fn print(&mut self, line: &str) {
        // Before the line break, they move the cursor to where it goes anyway.
        let mut rest = line.trim_end_matches('\r');
        if !self.keeps_rows && self.row.cells.is_empty() && !rest.contains(char::is_control) {
            self.done.push_str(rest);
            return;
        }
        while let Some(letter) = rest.chars().next() {
            if begins(letter) {
                let (sequence, length) = sequence(rest);
                rest = &rest[length..];
                if let Sequence::Control(parameters, last) = sequence {
                    self.obey(parameters, last);
                }
                continue;
            }
            rest = &rest[letter.len_utf8()..];
            match letter {
                '\r' => self.column = 0,
                '\u{8}' => self.column = self.column.saturating_sub(1),
                '\t' => self.tab(),
                letter if letter.is_control() && !letter.is_whitespace() => {}
                letter => match letter.width().unwrap_or(1) {
                    0 => self.row.mark(self.column, letter),
                    width => {
                        self.reach();
                        self.row.write(self.column, letter as u32, width);
                        self.column += width;
                    }
                },
            }
        }
    }

    /// The next tab stop; over what is there already, a tab only moves.
    fn tab(&mut self) {
        self.reach();
        let width = TAB - self.column % TAB;
        if self.column == self.row.cells.len() {
            self.row.write(self.column, '\t' as u32, width);
        }
        self.column += width;
    }

    /// Fills the row with blanks up to the cursor.
    fn reach(&mut self) {
        let missing = self.column.saturating_sub(self.row.cells.len());
        match self.effort.checked_sub(missing) {
            Some(rest) => {
                self.effort = rest;
                let length = self.row.cells.len() + missing;
                self.row.cells.resize(length, BLANK);
            }
            None => self.column = self.row.cells.len(),
        }
    }

    fn obey(&mut self, parameters: &str, last: char) {
        let mut numbers = parameters
            .split(';')
            .map(|number| number.parse::<usize>().ok());
        let first = numbers.next().flatten();
        let second = numbers.next().flatten();
        let count = first.unwrap_or(1).max(1);
        match last {
            'A' | 'F' => self.go_to_row(self.row_number.saturating_sub(count)),
            'B' | 'E' => {
                self.go_to_row(self.row_number.saturating_add(count).min(self.bottom));
            }
            'C' => self.column = self.column.saturating_add(count),
            'D' => self.column = self.column.saturating_sub(count),
            'G' => self.column = count - 1,
            'H' | 'f' => {
                self.go_to_row((count - 1).min(self.bottom));
                self.column = second.unwrap_or(1).max(1) - 1;
            }
            'J' => match first.unwrap_or(0) {
                0 => {
                    self.erase_right();
                    self.rows.split_off(&self.row_number);
                }
                2 | 3 => {
                    self.row.clear();
                    self.rows.clear();
                }
                _ => {}
            },
            'K' => match first.unwrap_or(0) {
                0 => self.erase_right(),
                1 => self.erase_left(),
                2 => self.row.clear(),
                _ => {}
            },
            _ => {}
        }
        if matches!(last, 'E' | 'F') {
            self.column = 0;
        }
    }

    fn erase_right(&mut self) {
        if self.column < self.row.cells.len() {
            self.row.free(self.column, usize::MAX);
            self.row.cells.truncate(self.column);
        }
    }

    fn erase_left(&mut self) {
        let end = self.column.saturating_add(1).min(self.row.cells.len());
        if let Some(rest) = self.effort.checked_sub(end) {
            self.effort = rest;
            self.row.free(0, end);
            self.row.cells[..end].fill(BLANK);
        }
    }

    fn seen(mut self) -> String {
        self.rows
            .insert(self.row_number, std::mem::take(&mut self.row));
        let mut seen = self.done;
        let mut at = 0;
        for (number, row) in self.rows {
            seen.extend(std::iter::repeat_n('\n', number - at));
            row.show(&mut seen);
            at = number;
        }
        seen.extend(std::iter::repeat_n('\n', self.bottom - at));
        seen
    }
}
