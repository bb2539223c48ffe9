//! What each kind of line does to the open block.

use super::code::Code;
use super::cursor::is_space;
use super::document::{Document, Leaf};
use super::glyph::Style;
use super::head::{Container, Head, Kind, Opened};
use super::levels::BULLET;
use super::out::{Lead, Shape};
use super::paragraph::Paragraph;
use super::rows::Rows;
use super::table::Align;

/// How long a rule is drawn.
const RULE_CHARS: usize = 3;

impl Document {
    /// A line of a paragraph. How much of it is not shown.
    pub fn text(&mut self, head: &Head, goes_on: bool, start: usize, text: &str) -> usize {
        let mut skipped = 0;
        if !goes_on {
            skipped = self.task(head, start + head.text, text);
            let lead = self.lead(head, start);
            self.leaf = Leaf::Paragraph(Paragraph::new(lead, Shape::Text));
        }
        if let Leaf::Paragraph(paragraph) = &mut self.leaf {
            let marks = head.marks.iter().map(|mark| start + mark).collect();
            paragraph.line(start + head.text + skipped, marks);
        }
        skipped
    }

    /// The box of a task takes the place of a bullet, or stands behind a number.
    fn task(&mut self, head: &Head, source: usize, text: &str) -> usize {
        let is_first = matches!(head.opened.last(), Some(Opened { container: Container::Item { .. }, .. }));
        let drawn = match text.as_bytes().get(..4) {
            Some([b'[', b' ', b']', b' ' | b'\t']) => '☐',
            Some([b'[', b'x' | b'X', b']', b' ' | b'\t']) => '☑',
            _ => return 0,
        };
        let Some(marker) = self.pending.last_mut().filter(|_| is_first) else { return 0 };
        if marker.text.first().is_some_and(|(c, _)| *c == BULLET) {
            marker.text.clear();
        } else {
            marker.text.push((' ', source));
        }
        marker.text.push((drawn, source + 3));
        3
    }

    /// A heading's line. How much of it is not shown.
    pub fn heading(&mut self, head: &Head, start: usize, text: &str) -> usize {
        let level = text.bytes().take_while(|byte| *byte == b'#').count();
        let mut heading = Paragraph::new(self.lead(head, start), Shape::Heading);
        heading.line(start + head.text + level, Vec::new());
        self.leaf = Leaf::Heading(heading);
        level
    }

    /// A line of a code block. How much of it is not shown.
    pub fn code_line(&mut self, head: &Head, goes_on: bool, start: usize) -> usize {
        if !goes_on {
            let lead = self.lead(head, start);
            self.leaf = Leaf::Indented(Code::new(lead, None, &mut self.out));
        }
        if let Leaf::Fence { code, .. } | Leaf::Indented(code) = &mut self.leaf {
            code.line(head.spare);
        }
        0
    }

    /// A line that is there to its end.
    pub fn line(&mut self, head: Head, start: usize, text: &str) {
        let lead_of = |document: &mut Self| document.lead(&head, start);
        match &head.kind {
            Kind::Rule => {
                let mut lead = lead_of(self);
                self.rule(&mut lead, start + head.text, text);
            }
            Kind::Fence { mark, length, indent, language } => {
                let lead = lead_of(self);
                let code = Code::new(lead, language.clone(), &mut self.out);
                self.leaf = Leaf::Fence { code, mark: *mark, length: *length, indent: *indent };
            }
            Kind::FenceEnd => self.close_leaf(),
            Kind::Underline => self.underline(),
            Kind::Delimiter(aligns) => self.table(aligns.clone(), start + head.text, text),
            Kind::Row => {
                if let Leaf::Table(rows) = &mut self.leaf {
                    rows.push(text, start + head.text, &mut self.out);
                }
            }
            _ => {}
        }
    }

    fn rule(&mut self, lead: &mut Lead, source: usize, text: &str) {
        self.out.begin(lead, Shape::Block);
        let style = Style { quote: lead.quote, ..Style::default() };
        let marks = text.char_indices().filter(|(_, c)| !is_space(*c)).take(RULE_CHARS);
        for (position, c) in marks {
            self.out.put('—', source + position + c.len_utf8(), style);
        }
    }

    fn underline(&mut self) {
        if let Leaf::Paragraph(paragraph) = &mut self.leaf {
            paragraph.underlined();
        }
        self.close_leaf();
    }

    fn table(&mut self, aligns: Vec<Align>, source: usize, delimiter: &str) {
        let Leaf::Paragraph(paragraph) = std::mem::replace(&mut self.leaf, Leaf::Nothing) else { return };
        let (lead, header, header_source) = paragraph.split_header(&mut self.out);
        let mut rows = Rows::new(lead, aligns, &mut self.out);
        rows.push(&header, header_source, &mut self.out);
        rows.push_delimiter(delimiter, source);
        self.leaf = Leaf::Table(rows);
    }
}
