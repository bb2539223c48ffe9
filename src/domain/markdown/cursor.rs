//! A place in a line, counted in columns: a tab goes to the next multiple of four.

/// The width of a tab stop (CommonMark, "Tabs").
pub(super) const TAB: usize = 4;

/// Reads a line from its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    line: &'a str,
    /// The next byte.
    pub position: usize,
    column: usize,
    /// Columns of a tab that was read that are still to be used.
    pub spare: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `line`.
    pub fn new(line: &'a str) -> Self {
        Self { line, position: 0, column: 0, spare: 0 }
    }

    /// What is still to be read.
    pub fn rest(&self) -> &'a str {
        self.line.get(self.position..).unwrap_or_default()
    }

    /// The rest behind the white space.
    pub fn content(&self) -> &'a str {
        self.rest().trim_start_matches(is_space)
    }

    /// The columns of white space ahead.
    pub fn indent(&self) -> usize {
        let mut column = self.column;
        for c in self.rest().chars().take_while(|c| is_space(*c)) {
            column += width(c, column);
        }
        column - self.column + self.spare
    }

    /// Reads so many columns of white space, as far as there are.
    pub fn skip_columns(&mut self, columns: usize) {
        for _ in 0..columns {
            if self.spare == 0 {
                let Some(c) = self.rest().chars().next().filter(|c| is_space(*c)) else { return };
                self.spare = width(c, self.column);
                self.column += self.spare;
                self.position += c.len_utf8();
            }
            self.spare -= 1;
        }
    }

    /// Reads all white space ahead and `bytes` of ASCII behind it.
    pub fn skip_marker(&mut self, bytes: usize) {
        let space = self.rest().len() - self.content().len();
        for c in self.rest().get(..space + bytes).unwrap_or_default().chars() {
            self.column += width(c, self.column);
        }
        self.position += space + bytes;
        self.spare = 0;
    }
}

/// The white space that blocks are told apart by.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r')
}

fn width(c: char, column: usize) -> usize {
    if c == '\t' { TAB - column % TAB } else { 1 }
}

/// The last character boundary at or before `position`.
pub(super) fn char_boundary(text: &str, position: usize) -> usize {
    let position = position.min(text.len());
    (0..=position).rev().find(|position| text.is_char_boundary(*position)).unwrap_or(0)
}
