//! How much of a piece of a paragraph is told before its end is there.
//!
//! Where a piece ends decides how its marks are read, so it is read as a whole. Its beginning is
//! told as soon as nothing is open behind it: a reader of the whole piece shows it as a reader of
//! the beginning alone does. This looks for such a beginning, down to inside the last word, and
//! goes no further than the first thing that a reader might see in another way.

use unicode_segmentation::UnicodeSegmentation;

use super::LOOK_AHEAD;
use super::flanking::{self, Run};
use super::marks::Open;
use super::opaque::{Matter, Opaque, Opaques};

/// Behind so many bytes a piece in which something stays open may end at any white space.
const FORCED_BYTES: usize = LOOK_AHEAD / 2;

/// The end of the beginning of `text` that no text behind it changes, in bytes.
pub(super) fn settled(text: &str) -> usize {
    let mut walk = Walk {
        text,
        position: 0,
        opaques: Opaques::new(text),
        open: Vec::new(),
        is_unsure: false,
        hidden: 0,
        gap: 0,
        within: 0,
    };
    while walk.step().is_some() {}
    walk.settled()
}

struct Walk<'a> {
    text: &'a str,
    position: usize,
    opaques: Opaques<'a>,
    open: Vec<Open>,
    /// The word may become an entity or an address with more letters.
    is_unsure: bool,
    /// The end of the last stretch that the reader is not shown.
    hidden: usize,
    /// The last white space with nothing open.
    gap: usize,
    /// The last place inside a word with nothing open.
    within: usize,
}

impl Walk<'_> {
    fn settled(&self) -> usize {
        let pair = |at: usize| {
            let before = self.text.get(..at)?.char_indices().next_back()?.0;
            let behind = self.text.get(at..)?.chars().next()?.len_utf8();
            self.text.get(before..at + behind)
        };
        let is_boundary = pair(self.within).is_some_and(|pair| pair.graphemes(true).count() == 2);
        if is_boundary { self.within.max(self.gap) } else { self.gap }
    }

    /// One step; `None` where it is not certain how to go on.
    fn step(&mut self) -> Option<()> {
        let rest = self.text.get(self.position..)?;
        match rest.chars().next()? {
            '\0' => None,
            c @ ('\\' | '`' | '$' | '<' | 'h' | 'H') => self.maybe_opaque(c),
            mark @ ('*' | '_' | '~') => self.run(mark, rest),
            '[' => {
                self.open.push(Open::Bracket);
                self.skip(1)
            }
            ']' => self.bracket_ends(rest),
            c if c.is_whitespace() => self.gap(rest),
            c => self.character(c),
        }
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.position += bytes;
        Some(())
    }

    fn before(&self) -> Option<char> {
        self.text.get(..self.position)?.chars().next_back()
    }

    fn character(&mut self, c: char) -> Option<()> {
        self.is_unsure |= matches!(c, '&' | '<');
        if self.open.is_empty() && !self.is_unsure && is_ordinary(c) {
            let follows = self.before().is_some_and(is_ordinary);
            self.within = if follows { self.position } else { self.within };
        }
        self.skip(c.len_utf8())
    }

    fn maybe_opaque(&mut self, c: char) -> Option<()> {
        let Some(opaque) = self.opaques.at(self.position).ok()? else { return self.character(c) };
        let matter = self.text.get(opaque.start..opaque.end)?;
        if !is_certain(opaque, matter) {
            return None;
        }
        if matches!(opaque.matter, Matter::Formula | Matter::Address) {
            self.hidden = opaque.end;
        }
        self.skip(matter.len())
    }

    fn run(&mut self, mark: char, rest: &str) -> Option<()> {
        let run = flanking::run(self.text, self.position, mark, rest);
        if !run.is_literal {
            self.emphasis(mark, run, rest)?;
        }
        self.skip(run.length)
    }

    /// Emphasis that nests, with as many marks behind it as before it.
    fn emphasis(&mut self, mark: char, run: Run, rest: &str) -> Option<()> {
        let is_hidden = self.hidden == run.start && run.start > 0;
        let before = seen_as(self.before(), run.softened.0, is_hidden);
        let behind = rest.chars().nth(run.length);
        let behind = seen_as(behind, run.softened.1, matches!(behind, Some('$' | '\\')));
        let ours = (run.can_open, run.can_close);
        let agrees = |before: &char| behind.iter().all(|behind| flanks(mark, *before, *behind) == ours);
        if !before.iter().all(agrees) {
            return None;
        }
        let is_same = |open: &Open| matches!(open, Open::Emphasis(other, _) if *other == mark);
        if run.can_close && self.open.last() == Some(&Open::Emphasis(mark, run.length)) {
            self.open.pop();
        } else if run.can_close && self.open.iter().any(is_same) {
            return None;
        } else if run.can_open {
            self.open.push(Open::Emphasis(mark, run.length));
        }
        Some(())
    }

    /// A link that is not in another, or brackets around text.
    fn bracket_ends(&mut self, rest: &str) -> Option<()> {
        let is_inner = self.open.contains(&Open::Bracket);
        if is_inner && self.open.pop() != Some(Open::Bracket) {
            return None;
        }
        if !rest.starts_with("](") {
            return self.skip(1);
        }
        let start = self.position + 1;
        let target = self.text.get(start..self.opaques.target_end(start)?)?;
        if !is_inner || self.open.contains(&Open::Bracket) || !is_plain_target(target) {
            return None;
        }
        self.skip(1 + target.len())
    }

    /// White space between words; the end of a heading may be marked by `#` behind it.
    fn gap(&mut self, rest: &str) -> Option<()> {
        if self.position == 0 || self.position > FORCED_BYTES {
            return None;
        }
        let is_end = |c: char| !c.is_whitespace() && !matches!(c, '#' | '\\');
        if self.open.is_empty() && self.before().is_some_and(is_end) {
            self.gap = self.position;
        }
        self.is_unsure = false;
        let space = rest.get(..rest.len() - rest.trim_start().len())?;
        let is_plain = |c: char| matches!(c, ' ' | '\t' | '\n');
        let is_wide = |c: char| matches!(c, ' ' | '\t' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{3000}');
        (space.chars().all(is_plain) || space.chars().all(is_wide)).then_some(())?;
        self.skip(space.len())
    }
}

/// Whether `c` is shown as it is whatever is beside it, and alone tells whether a cluster goes on.
fn is_ordinary(c: char) -> bool {
    let punctuation = "'\"(),.:;!?-/+=%@|".contains(c);
    let other = matches!(c, '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{3001}'..='\u{3029}' | '\u{ff01}'..='\u{ff60}');
    punctuation || other || c.is_alphanumeric()
}

/// Whether every reader sees where the stretch ends.
fn is_certain(opaque: Opaque, matter: &str) -> bool {
    let in_tag = |c: char| c.is_ascii_alphanumeric() || matches!(c, '<' | '>' | '/' | ':' | '.' | '-' | ' ');
    match opaque.matter {
        Matter::Escape => matter.len() <= 2 && !matter.contains('`'),
        Matter::Tag => matter.chars().all(in_tag),
        Matter::Code | Matter::Formula | Matter::Address => true,
    }
}

/// Whether the target is an address without a title, whatever the reader.
fn is_plain_target(target: &str) -> bool {
    let address = target.get(1..target.len().saturating_sub(1)).unwrap_or_default();
    let fits = |c: char| !c.is_whitespace() && !c.is_control() && !r#""'<>\()`"#.contains(c);
    address.chars().all(fits)
}

/// What a reader may take the character beside a run for: a letter, punctuation or white space.
fn seen_as(c: Option<char>, is_softened: bool, is_hidden: bool) -> &'static [char] {
    let is_symbol = |c: char| matches!(c, '\u{24b6}'..='\u{24e9}' | '\u{1f130}'..='\u{1f189}');
    match c {
        _ if is_softened => &['x'],
        _ if is_hidden => &['x', '.'],
        None | Some(' ' | '\t' | '\n') => &[' '],
        Some(c) if c.is_ascii_punctuation() => &['.'],
        Some(c) if c.is_alphanumeric() && !is_symbol(c) => &['x'],
        Some(_) => &['x', '.', ' '],
    }
}

/// Whether a run may open and whether it may close, by `pulldown_cmark`'s rules.
fn flanks(mark: char, before: char, behind: char) -> (bool, bool) {
    let opens = match (before, behind) {
        (_, ' ') => false,
        (' ' | '.', _) => true,
        (_, behind) => mark == '~' || mark == '*' && behind != '.',
    };
    let closes = match (before, behind) {
        (' ', _) => false,
        (_, ' ' | '.') => true,
        (before, _) => mark != '_' && before != '.',
    };
    (opens, closes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cases: &[(&str, &str)]) {
        for (text, beginning) in cases {
            assert_eq!(&text[..settled(text)], *beginning, "{text:?}");
        }
    }

    #[test]
    fn words_are_told_but_for_their_last_letter() {
        check(&[
            ("", ""),
            ("a", ""),
            ("some words her", "some words he"),
            ("some words ", "some words"),
            ("don't", "don'"),
            ("well, ", "well,"),
            ("(yes), n", "(yes),"),
            ("(well-known", "(well-know"),
            ("http", "htt"),
            ("これは本です。それ", "これは本です。そ"),
            ("e\u{301}te\u{301}", "e\u{301}t"),
            ("각 \u{1100}\u{1161}\u{11a8}", "각"),
        ]);
    }

    #[test]
    fn what_is_closed_is_told() {
        check(&[
            ("a **b** `c` [d](https://e.f/g_h) $i$ <br> jk", "a **b** `c` [d](https://e.f/g_h) $i$ <br> j"),
            ("**a *b* c** snake_case 2*3*45", "**a *b* c** snake_case 2*3*4"),
            ("see https://a.b/c_d_e and", "see https://a.b/c_d_e an"),
            ("\\*a [b] c\\", "\\*a [b]"),
            ("one\ntwo\nth", "one\ntwo\nt"),
        ]);
    }

    #[test]
    fn what_is_open_or_could_be_more_is_not() {
        check(&[
            ("a **bold wor", "a"),
            ("a `b c", "a"),
            ("a [b] [c](d e", "a [b]"),
            ("a $b c", "a"),
            ("a &amp", "a"),
            ("a <5x@y", "a"),
            ("a x*b** c", "a"),
            ("a <b c=\">\" d", "a"),
            ("a [b](\"c) d\") e", "a"),
            ("a # b", "a"),
            ("a\u{b}b cd", "a"),
            ("a\u{b}\nb cd", "a"),
        ]);
    }
}
