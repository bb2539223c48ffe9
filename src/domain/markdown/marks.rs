//! A look along a paragraph's text: where marks open and close, and which stretches are not text.
//!
//! It decides where a paragraph may be taken apart, so that each piece is read on its own; the
//! reading itself is `pulldown_cmark`'s. It errs towards "still open".

use super::flanking::{self, Run};
use super::opaque::{Opaque, Opaques};

/// Something that was opened and is not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// Emphasis: the mark and how many of it are unmatched.
    Emphasis(char, usize),
    /// A code span, with so many backticks.
    Code(usize),
    /// `[`.
    Bracket,
    /// `](`.
    Target,
    /// A tag or a formula.
    Other,
}

/// White space between words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where the next word begins.
    pub end: usize,
    /// How much is open there.
    pub depth: usize,
}

/// What a text's marks are.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// White space that has text before and behind it.
    pub gaps: Vec<Gap>,
    /// Stretches that are not to be read as text.
    pub opaque: Vec<Opaque>,
    /// Runs of marks for emphasis.
    pub runs: Vec<Run>,
    /// What is open at the end.
    pub open: Vec<Open>,
}

/// Whether a text has any marks at all.
pub(super) fn is_plain(text: &str) -> bool {
    let is_mark = |byte| {
        matches!(byte, b'\\' | b'`' | b'*' | b'_' | b'~' | b'[' | b']' | b'<' | b'&' | b'$' | b'\r' | 0)
    };
    !text.bytes().any(is_mark)
}

/// Looks along `text`.
pub(super) fn scan(text: &str) -> Marks {
    let mut scan = Scan {
        text,
        position: 0,
        stack: Stack::default(),
        // Words have five letters or so.
        marks: Marks { gaps: Vec::with_capacity(text.len() / 5), ..Marks::default() },
        opaques: Opaques::new(text),
    };
    while scan.position < text.len() {
        let before = scan.position;
        scan.step();
        debug_assert!(scan.position > before, "a step that goes nowhere");
    }
    scan.marks.open = scan.stack.open;
    scan.marks
}

struct Scan<'a> {
    text: &'a str,
    position: usize,
    stack: Stack,
    marks: Marks,
    opaques: Opaques<'a>,
}

impl Scan<'_> {
    fn step(&mut self) {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let Some(c) = rest.chars().next() else {
            self.position = self.text.len();
            return;
        };
        match c {
            '\\' | '`' | '$' | '<' | 'h' | 'H' => self.maybe_opaque(c, rest),
            '*' | '_' | '~' => self.run(c, rest),
            '[' => self.opens(Open::Bracket, 1),
            ']' => self.bracket_ends(rest),
            c if c.is_whitespace() => self.gap(rest),
            c => self.position += c.len_utf8(),
        }
    }

    fn opens(&mut self, open: Open, bytes: usize) {
        self.stack.push(open);
        self.position += bytes;
    }

    fn maybe_opaque(&mut self, c: char, rest: &str) {
        match self.opaques.at(self.position) {
            Ok(Some(opaque)) => {
                self.position = opaque.end;
                self.marks.opaque.push(opaque);
            }
            Ok(None) => self.position += c.len_utf8(),
            Err(bytes) => {
                self.stack.unsure += 1;
                let open = if c == '`' { Open::Code(bytes) } else { Open::Other };
                self.opens(open, bytes.min(rest.len()));
            }
        }
    }

    fn run(&mut self, mark: char, rest: &str) {
        let run = flanking::run(self.text, self.position, mark, rest);
        self.position += run.length;
        if !run.is_literal {
            let left = if run.can_close { self.stack.close(mark, run.length) } else { run.length };
            if left > 0 && run.can_open {
                self.stack.push(Open::Emphasis(mark, left));
            }
        }
        self.marks.runs.push(run);
    }

    fn bracket_ends(&mut self, rest: &str) {
        self.position += 1;
        if !rest.starts_with("](") {
            self.stack.close_bracket();
            return;
        }
        match self.opaques.target_end(self.position) {
            Some(end) => {
                self.stack.close_link();
                self.position = end;
            }
            None => {
                self.stack.unsure += 1;
                self.opens(Open::Target, 1);
            }
        }
    }

    fn gap(&mut self, rest: &str) {
        let start = self.position;
        self.position += rest.len() - rest.trim_start().len();
        if start > 0 && self.position < self.text.len() {
            self.marks.gaps.push(Gap { start, end: self.position, depth: self.stack.depth() });
        }
    }
}

/// What is open, and where in it the openers of each kind are, so that each step costs the same.
#[derive(Debug, Default)]
struct Stack {
    open: Vec<Open>,
    emphasis: [Vec<usize>; 3],
    brackets: Vec<usize>,
    /// Stretches that have no end yet. Once they have one, all that was read since is read anew:
    /// nothing that comes before that can make it sure again.
    unsure: usize,
}

impl Stack {
    fn depth(&self) -> usize {
        self.open.len() + self.unsure
    }

    fn push(&mut self, open: Open) {
        let position = self.open.len();
        match open {
            Open::Emphasis(mark, _) => self.emphasis[index(mark)].push(position),
            Open::Bracket => self.brackets.push(position),
            _ => {}
        }
        self.open.push(open);
    }

    fn truncate(&mut self, length: usize) {
        self.open.truncate(length);
        for positions in self.emphasis.iter_mut().chain([&mut self.brackets]) {
            while positions.last().is_some_and(|position| *position >= length) {
                positions.pop();
            }
        }
    }

    /// Closes emphasis with `length` marks, as far as it is open within the bracket. The marks
    /// that are left.
    fn close(&mut self, mark: char, mut length: usize) -> usize {
        let floor = self.brackets.last().map_or(0, |bracket| bracket + 1);
        while length > 0 {
            let opener = self.emphasis[index(mark)].last().copied().filter(|opener| *opener >= floor);
            let Some(opener) = opener else { break };
            self.truncate(opener + 1);
            let Some(Open::Emphasis(_, marks)) = self.open.last_mut() else { break };
            let used = length.min(*marks);
            *marks -= used;
            length -= used;
            if *marks == 0 {
                self.truncate(opener);
            }
        }
        length
    }

    /// Brackets that are no link: what is open inside stays open.
    fn close_bracket(&mut self) {
        let Some(bracket) = self.brackets.pop() else { return };
        if bracket + 1 == self.open.len() {
            self.truncate(bracket);
        } else if let Some(open) = self.open.get_mut(bracket) {
            *open = Open::Other;
        }
    }

    fn close_link(&mut self) {
        if let Some(bracket) = self.brackets.last().copied() {
            self.truncate(bracket);
        }
    }
}

fn index(mark: char) -> usize {
    match mark {
        '*' => 0,
        '_' => 1,
        _ => 2,
    }
}
