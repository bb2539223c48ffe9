//! The text of one block: emphasis, code, links.

use pulldown_cmark::{Event, LinkType, Options, Parser, Tag, TagEnd};

use super::glyph::{Names, Style};
use super::marks;
use super::shield::{self, Shielded};

/// A character of a block's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ink {
    /// `\n` where the line breaks.
    pub ch: char,
    pub style: Style,
    /// Where in the block's text it is told in full.
    pub end: usize,
}

/// Where the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Paragraph,
    /// At the end of what has come so far: open marks are taken as closed.
    Unfinished,
    /// In a table, where links cannot be.
    Cell,
}

/// Reads `text`.
pub(super) fn read(text: &str, place: Place, names: &mut Names) -> Vec<Ink> {
    if marks::is_plain(text) {
        return plain(text);
    }
    let shielded = shield::shield(text, place == Place::Unfinished);
    let mut reader = Reader::new(&shielded, place, names);
    for (event, range) in
        Parser::new_ext(&shielded.prepared, Options::ENABLE_STRIKETHROUGH).into_offset_iter()
    {
        if range.end > shield::PREFIX.len() || matches!(event, Event::End(_)) {
            reader.event(event, range.start, range.end);
        }
    }
    reader.inks
}

fn plain(text: &str) -> Vec<Ink> {
    let mut inks = Vec::with_capacity(text.len());
    for (start, ch) in text.char_indices() {
        if ch == '\n' {
            without_space(&mut inks);
        }
        inks.push(Ink { ch, style: Style::default(), end: start + ch.len_utf8() });
    }
    inks
}

/// Takes back the spaces at the end of a line.
fn without_space(inks: &mut Vec<Ink>) {
    while inks.last().is_some_and(|ink| matches!(ink.ch, ' ' | '\t')) {
        inks.pop();
    }
}

/// A link that is being read.
struct Link {
    first: usize,
    start: usize,
    url: String,
    is_text: bool,
}

struct Reader<'a> {
    shielded: &'a Shielded<'a>,
    place: Place,
    names: &'a mut Names,
    inks: Vec<Ink>,
    bold: usize,
    italic: usize,
    strike: usize,
    links: Vec<Link>,
}

impl<'a> Reader<'a> {
    fn new(shielded: &'a Shielded<'a>, place: Place, names: &'a mut Names) -> Self {
        Self { shielded, place, names, inks: Vec::new(), bold: 0, italic: 0, strike: 0, links: Vec::new() }
    }

    fn event(&mut self, event: Event<'_>, start: usize, end: usize) {
        match event {
            Event::Text(text) => self.text(&text, start, end),
            Event::Code(_) => self.code(start, end),
            Event::SoftBreak | Event::HardBreak => self.line_break(start, end),
            Event::InlineHtml(_) | Event::Html(_) => self.tag(start, end),
            Event::Start(tag) => self.start(tag, start),
            Event::End(tag) => self.end(tag, end),
            _ => {}
        }
    }

    fn style(&self) -> Style {
        let (bold, italic, strike) = (self.bold > 0, self.italic > 0, self.strike > 0);
        Style { bold, italic, strike, ..Style::default() }
    }

    fn text(&mut self, text: &str, start: usize, end: usize) {
        if self.shielded.prepared.get(start..end) == Some(text) {
            self.original(start, end, self.style());
            return;
        }
        let places: Vec<_> = self.shielded.originals(start, end).collect();
        let (Some((first, _)), Some((last, tail))) = (places.first(), places.last()) else { return };
        self.spread(text, *first, last + tail.len(), self.style());
    }

    /// The original, as it is.
    fn original(&mut self, start: usize, end: usize, style: Style) {
        for (place, text) in self.shielded.originals(start, end) {
            let ink = |(start, ch): (usize, char)| Ink { ch, style, end: place + start + ch.len_utf8() };
            self.inks.extend(text.char_indices().map(ink));
        }
    }

    /// A text that stands for the original from `start` to `end`, which has at least as many characters: each
    /// ends where another of them does.
    fn spread(&mut self, text: &str, start: usize, end: usize, style: Style) {
        let count = text.chars().count().max(1);
        let original = self.shielded.original().get(start..end).unwrap_or_default();
        let ends: Vec<usize> = original.char_indices().map(|(at, c)| start + at + c.len_utf8()).collect();
        for (position, ch) in text.chars().enumerate() {
            let nth = (position + 1) * ends.len() / count;
            let end = ends.get(nth.saturating_sub(1)).map_or(start, |end| *end);
            self.inks.push(Ink { ch, style, end });
        }
    }

    /// A code span: its lines are one, and one space on each side is not shown.
    fn code(&mut self, start: usize, end: usize) {
        let first = self.inks.len();
        self.original(start, end, Style { code: true, ..Style::default() });
        let ticks = self.inks.iter().skip(first).take_while(|ink| ink.ch == '`').count();
        let mut code: Vec<Ink> = self.inks.drain(first..).skip(ticks).collect();
        let is_closed = code.iter().rev().take(ticks).filter(|ink| ink.ch == '`').count() == ticks;
        code.truncate(if is_closed { code.len() - ticks } else { code.len() });
        code.iter_mut().filter(|ink| matches!(ink.ch, '\n' | '\r')).for_each(|ink| ink.ch = ' ');
        let padded = code.len() > 2
            && [code.first(), code.last()].iter().all(|ink| ink.is_some_and(|ink| ink.ch == ' '))
            && code.iter().any(|ink| ink.ch != ' ');
        if padded {
            code.pop();
            code.remove(0);
        }
        if self.place == Place::Cell {
            let bars: Vec<bool> = code.iter().skip(1).map(|ink| ink.ch == '|').chain([false]).collect();
            let mut escapes = bars.into_iter();
            code.retain(|ink| !(escapes.next() == Some(true) && ink.ch == '\\'));
        }
        self.inks.extend(code);
    }

    fn line_break(&mut self, start: usize, end: usize) {
        without_space(&mut self.inks);
        let style = self.style();
        let last = self.inks.last().map_or(0, |ink| ink.end);
        let end = self.shielded.originals(start, end).last().map_or(last, |(place, text)| place + text.len());
        self.inks.push(Ink { ch: '\n', style, end });
    }

    /// Tags are text, but for the one that models use: a line break.
    fn tag(&mut self, start: usize, end: usize) {
        let tag = self.shielded.prepared.get(start..end).unwrap_or_default();
        let name: String = tag.chars().filter(|c| !c.is_whitespace() && *c != '/').collect();
        if name.eq_ignore_ascii_case("<br>") {
            self.line_break(start, end);
        } else {
            self.original(start, end, self.style());
        }
    }

    fn start(&mut self, tag: Tag<'_>, start: usize) {
        let first = self.inks.len();
        match tag {
            Tag::Strong => self.bold += 1,
            Tag::Emphasis => self.italic += 1,
            Tag::Strikethrough => self.strike += 1,
            Tag::Link { link_type, dest_url, .. } => {
                let is_text = matches!(link_type, LinkType::Autolink | LinkType::Email);
                self.links.push(Link { first, start, url: dest_url.into_string(), is_text });
            }
            Tag::Image { dest_url, .. } => {
                self.links.push(Link { first, start, url: dest_url.into_string(), is_text: false });
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, end: usize) {
        match tag {
            TagEnd::Strong => self.bold = self.bold.saturating_sub(1),
            TagEnd::Emphasis => self.italic = self.italic.saturating_sub(1),
            TagEnd::Strikethrough => self.strike = self.strike.saturating_sub(1),
            TagEnd::Link | TagEnd::Image => {
                if let Some(link) = self.links.pop() {
                    self.link(&link, end);
                }
            }
            _ => {}
        }
    }

    /// A link's text is there: make it lead somewhere, or say where it leads.
    fn link(&mut self, link: &Link, end: usize) {
        let text: String = self.inks.iter().skip(link.first).map(|ink| ink.ch).collect();
        let from = self.inks.last().filter(|_| !text.is_empty()).map(|ink| ink.end);
        let mut places = self.shielded.originals(link.start, end);
        let first = places.next().map_or(0, |(place, _)| place);
        let last = places.last().map(|(place, text)| place + text.len());
        let last = last.or_else(|| {
            self.shielded.originals(link.start, end).next().map(|(place, text)| place + text.len())
        });
        let (from, last) = (from.unwrap_or(first), last.unwrap_or(first));
        if text.trim().is_empty() {
            self.spread(&link.url, from, last, self.style());
        }
        if is_web(&link.url) && self.place != Place::Cell {
            self.lead_to(link);
        } else if self.must_be_told(link, &text) {
            self.spread(&format!(" ({})", link.url), from, last, self.style());
        }
    }

    fn lead_to(&mut self, link: &Link) {
        if link.is_text || self.links.iter().any(|outer| is_web(&outer.url)) {
            return;
        }
        let number = self.names.link(&link.url);
        for ink in self.inks.iter_mut().skip(link.first) {
            ink.style.link = number;
            ink.style.code = false;
        }
    }

    fn must_be_told(&self, link: &Link, text: &str) -> bool {
        let leads_nowhere = link.url.is_empty() || link.url.starts_with('#') || link.url == text;
        !link.is_text && !leads_nowhere && !text.trim().is_empty() && self.place != Place::Unfinished
    }
}

/// Whether Telegram takes `url` for an address; it refuses the whole message otherwise.
fn is_web(url: &str) -> bool {
    let schemes = ["https://", "http://"];
    let scheme =
        schemes.iter().find(|s| url.get(..s.len()).is_some_and(|start| start.eq_ignore_ascii_case(s)));
    let Some(rest) = scheme.and_then(|scheme| url.get(scheme.len()..)) else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let (host, port) = host.split_once(':').unwrap_or((host, ""));
    let is_port = port.is_empty() || port.parse::<u16>().is_ok();
    let labels = || host.split('.');
    let ends_in_a_number =
        labels().next_back().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    let is_host =
        !ends_in_a_number || labels().count() == 4 && labels().all(|label| label.parse::<u8>().is_ok());
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    is_port
        && is_host
        && labels().count() > 1
        && labels().all(|label| !label.is_empty() && label.chars().all(fits))
        && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_telegram_takes() {
        for url in [
            "https://a.b",
            "HTTP://example.com/x(y)?z#w",
            "https://u@a.b:80/",
            "https://пример.рф",
            "http://127.0.0.1:8080/x",
        ] {
            assert!(is_web(url), "{url}");
        }
        for url in [
            "",
            "a.b",
            "#a",
            "mailto:a@b.c",
            "https://",
            "https://localhost",
            "http://a..b",
            "https://a b.c",
            "https://example.com:PORT/x",
            "https://example.com:99999/",
            "https://1.2.3.4.5/",
        ] {
            assert!(!is_web(url), "{url}");
        }
    }
}
