//! What a line is, told from its first characters: which open containers it belongs to, which it
//! opens, and what kind of text follows.
//!
//! Everything here answers `None` as long as more of the line could change the answer, and never
//! changes an answer when more comes. A line's kind is told from a bounded stretch of it.

use super::cursor::{Cursor, TAB, is_space};
use super::table::Align;

/// Containers inside one another, at most; markers beyond that are text.
const MAX_DEPTH: usize = 10;

/// What a list is told apart from its neighbours by.
pub(super) type ListMark = char;

/// A block quote or a list item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    Quote,
    Item {
        mark: ListMark,
        /// The number that an ordered item is written with.
        number: Option<u64>,
        /// Columns that a line must be indented by to belong to it.
        content: usize,
        /// The line of the marker has nothing else on it, nor has any line since.
        empty: bool,
    },
}

/// A container that a line opens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opened {
    pub container: Container,
    /// Where its marker is, in bytes of the line.
    pub marker: (usize, usize),
}

/// What is open when a line begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum OpenLeaf {
    Nothing,
    Paragraph {
        /// It may still become a heading by an underline.
        underline: bool,
        /// Cells of its last line, if that may be a table's header.
        header: Option<usize>,
        /// It is inside a formula.
        formula: bool,
    },
    Fence {
        mark: char,
        length: usize,
        indent: usize,
    },
    Table,
}

/// What kind of line it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Blank,
    Text,
    Indented,
    Heading,
    Rule,
    Fence { mark: char, length: usize, indent: usize, language: Option<String> },
    FenceEnd,
    CodeLine,
    Underline,
    Delimiter(Vec<Align>),
    Row,
}

/// A line's start, read.
#[derive(Debug)]
pub(super) struct Head {
    /// Open containers that the line belongs to.
    pub matched: usize,
    pub opened: Vec<Opened>,
    /// Where the markers of quotes within quotes end, in bytes of the line.
    pub marks: Vec<usize>,
    pub kind: Kind,
    /// Where the text begins, in bytes of the line.
    pub text: usize,
    /// Columns of white space before the text that a tab left over.
    pub spare: usize,
}

/// Reads the start of `line`. With `ended`, the line is there to its end.
pub(super) fn read(line: &str, ended: bool, containers: &[Container], leaf: OpenLeaf) -> Option<Head> {
    let cursor = Cursor::new(line);
    let mut reader = Reader { cursor, ended, leaf, opened: Vec::new(), marks: Vec::new() };
    let matched = reader.matched(containers)?;
    let all = matched == containers.len();
    let kind = match leaf {
        OpenLeaf::Fence { mark, length, indent } if all => reader.code_line(mark, length, indent)?,
        OpenLeaf::Paragraph { formula: true, .. } if all && reader.ahead()?.is_some() => Kind::Text,
        _ => {
            reader.open(containers.get(..matched)?, all)?;
            reader.kind(all)?
        }
    };
    if matches!(kind, Kind::Text | Kind::Heading | Kind::Row | Kind::Delimiter(_)) {
        reader.cursor.skip_marker(0);
    }
    let Reader { cursor, opened, marks, .. } = reader;
    Some(Head { matched, opened, marks, kind, text: cursor.position, spare: cursor.spare })
}

pub(super) struct Reader<'a> {
    pub cursor: Cursor<'a>,
    pub ended: bool,
    pub leaf: OpenLeaf,
    pub opened: Vec<Opened>,
    marks: Vec<usize>,
}

impl Reader<'_> {
    /// The next character that is no space; inside, `None` for the end of the line.
    pub fn ahead(&self) -> Option<Option<char>> {
        match self.cursor.content().chars().next() {
            None if !self.ended => None,
            ahead => Some(ahead),
        }
    }

    /// How many of the open containers the line belongs to.
    fn matched(&mut self, containers: &[Container]) -> Option<usize> {
        let mut quoted = false;
        for (position, container) in containers.iter().enumerate() {
            let ahead = self.ahead()?;
            let goes_on = match *container {
                Container::Quote => self.quote_goes_on(ahead, &mut quoted),
                Container::Item { content, empty, .. } => self.item_goes_on(ahead, content, empty),
            };
            if !goes_on {
                return Some(position);
            }
        }
        Some(containers.len())
    }

    fn quote_goes_on(&mut self, ahead: Option<char>, quoted: &mut bool) -> bool {
        let goes_on = ahead == Some('>') && self.cursor.indent() < TAB;
        if goes_on {
            self.cursor.skip_marker(1);
            if std::mem::replace(quoted, true) {
                self.marks.push(self.cursor.position);
            }
            self.cursor.skip_columns(1);
        }
        goes_on
    }

    /// Code in a fence stays in it when it is not indented as the list item is: models forget.
    fn item_goes_on(&mut self, ahead: Option<char>, content: usize, empty: bool) -> bool {
        let in_fence = matches!(self.leaf, OpenLeaf::Fence { .. });
        let goes_on = match ahead {
            None => !empty,
            Some(_) => in_fence || self.cursor.indent() >= content,
        };
        if goes_on && ahead.is_some() {
            self.cursor.skip_columns(content.min(self.cursor.indent()));
        }
        goes_on || in_fence
    }

    /// Reads the markers of new containers.
    fn open(&mut self, within: &[Container], all: bool) -> Option<()> {
        let in_quote = within.contains(&Container::Quote);
        while within.len() + self.opened.len() < MAX_DEPTH {
            let Some(mark) = self.ahead()? else { break };
            if self.cursor.indent() >= TAB {
                break;
            }
            let interrupts = all && self.opened.is_empty() && matches!(self.leaf, OpenLeaf::Paragraph { .. });
            let opened = match mark {
                '>' => Some(self.quote(in_quote)),
                '-' | '+' | '*' => self.bullet(mark, interrupts)?,
                '0'..='9' => self.ordered(interrupts)?,
                _ => None,
            };
            match opened {
                Some(opened) => self.opened.push(opened),
                None => break,
            }
        }
        Some(())
    }

    fn quote(&mut self, in_quote: bool) -> Opened {
        self.cursor.skip_marker(1);
        let end = self.cursor.position;
        if in_quote || self.opened.iter().any(|opened| opened.container == Container::Quote) {
            self.marks.push(end);
        }
        self.cursor.skip_columns(1);
        Opened { container: Container::Quote, marker: (end - 1, end) }
    }

    fn bullet(&mut self, mark: char, interrupts: bool) -> Option<Option<Opened>> {
        if mark != '+' && self.is_rule(mark)? {
            return Some(None);
        }
        self.item(mark, None, 1, interrupts)
    }

    fn ordered(&mut self, interrupts: bool) -> Option<Option<Opened>> {
        let rest = self.cursor.content();
        let digits = rest.bytes().take(10).take_while(u8::is_ascii_digit).count();
        let Some(mark) = rest.get(digits..).and_then(|rest| rest.chars().next()) else {
            return self.ended.then_some(None);
        };
        let number = rest.get(..digits).and_then(|digits| digits.parse().ok());
        if digits > 9 || !matches!(mark, '.' | ')') || interrupts && number != Some(1) {
            return Some(None);
        }
        self.item(mark, number, digits + 1, interrupts)
    }

    fn item(
        &mut self,
        mark: char,
        number: Option<u64>,
        bytes: usize,
        interrupts: bool,
    ) -> Option<Option<Opened>> {
        let behind = self.cursor.content().get(bytes..).unwrap_or_default();
        match behind.chars().next() {
            None if !self.ended => return None,
            Some(c) if !is_space(c) => return Some(None),
            _ => {}
        }
        let empty = behind.chars().all(is_space);
        if empty && !self.ended {
            return None;
        }
        if empty && interrupts {
            return Some(None);
        }
        let before = self.cursor.indent();
        self.cursor.skip_marker(bytes);
        let end = self.cursor.position;
        let space = if empty || self.cursor.indent() > TAB { 1 } else { self.cursor.indent() };
        self.cursor.skip_columns(space);
        let container = Container::Item { mark, number, content: before + bytes + space, empty };
        Some(Some(Opened { container, marker: (end - bytes, end) }))
    }
}
