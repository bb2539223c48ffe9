//! Markdown as models write it (CommonMark with tables, strikethrough and tasks), as Telegram
//! shows it: text with entities, never `parse_mode`.
//!
//! # One rendering
//!
//! [`render`] and [`MarkdownCutter`] read with the same eyes: line by line, and the text of a
//! paragraph piece by piece. What a stretch of the source becomes depends on a bounded stretch of
//! text behind it and on nothing else, so that an answer can be sent while it is being written, and
//! nothing sent is changed by what comes later. The chunks of a cutter, joined, are the rendering
//! of the whole for every text and every limit. Compared with a reader that sees the whole text
//! first, the difference is where marks are far from each other:
//!
//! - A mark that is not closed within 2000 characters, or within its paragraph, is text.
//! - Only a single line of at most 80 characters is made a heading by an underline; below any
//!   other paragraph, `---` is a rule.
//! - A table's columns are as wide as its first 4096 bytes need; a line of it has at most 4096.
//! - Definitions of link references and footnotes are text, and so is what refers to them.
//!
//! For what models write there are these: a row of a table has a bar; HTML is text, but for
//! `<br>`; formulas and bare addresses are left as written; emphasis works next to Chinese,
//! Japanese and Korean; stars in arithmetic and single tildes are no marks; code in a fence may be
//! indented less than its list item; numbers of a list are as written as long as they go up;
//! a list stays close to the line above it if the source has no blank line there.

mod blocks;
mod code;
mod cursor;
mod cut;
mod document;
#[cfg(test)]
mod early;
mod entities;
mod flanking;
mod glyph;
mod head;
mod inline;
mod kind;
mod levels;
mod marks;
mod opaque;
mod out;
mod packed;
mod paragraph;
mod piece;
mod place;
#[cfg(test)]
mod properties;
mod rows;
mod settled;
mod shield;
mod table;
#[cfg(test)]
mod tests;

pub use cut::{MarkdownChunk, MarkdownCutter};
pub use entities::{Entity, EntityKind, Rendered};

use document::Document;

/// Characters of a paragraph within which a mark must be closed to be one.
const LOOK_AHEAD: usize = 2000;

/// The rendering of a whole document.
pub fn render(markdown: &str) -> Rendered {
    rendering(markdown, false)
}

/// The rendering of an answer that is still being written: marks that are open at its end are
/// taken as closed, and marks that nothing follows yet are not shown.
pub fn render_partial(markdown: &str) -> Rendered {
    rendering(markdown, true)
}

fn rendering(markdown: &str, unfinished: bool) -> Rendered {
    let mut document = Document::new();
    document.push(markdown);
    document.finish(unfinished);
    entities::rendered(document.out.glyphs.make_contiguous(), &document.out.names)
}
