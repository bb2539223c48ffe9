//! What the events of one stream have in common: nearly all of them are the same JSON to the byte,
//! but for one string, the words.

use memchr::memchr2;

/// Events that may differ otherwise, one after the other, before no more is tried.
const MAX_MISSES: u8 = 16;

/// The last event that said nothing but words, and where they stood in it.
#[derive(Debug, Default)]
pub(super) struct Template {
    event: String,
    start: usize,
    end: usize,
    misses: u8,
}

impl Template {
    /// The words of the event that `bytes` begin with, if it is the template with other words, in which
    /// nothing is escaped; and what is behind it.
    pub fn words<'a>(&mut self, bytes: &'a [u8]) -> Option<(&'a str, &'a [u8])> {
        let event = Some(self.event.as_bytes()).filter(|event| !event.is_empty())?;
        let rest = bytes.strip_prefix(event.get(..self.start)?)?;
        let (words, rest) = rest.split_at(memchr2(b'"', b'\\', rest)?);
        let behind = rest.strip_prefix(event.get(self.end..)?)?;
        // A control character may not stand in a string as it is.
        let is_text = !words.is_empty() && words.iter().all(|byte| *byte >= b' ');
        let words = str::from_utf8(words).ok().filter(|_| is_text)?;
        self.misses = 0;
        Some((words, behind))
    }

    /// `event` was read, and says nothing but `words`, a string in it without escapes. One of several lines
    /// is not learnt: on the wire they are no JSON.
    pub fn learn(&mut self, event: &str, words: &str) {
        let start = (words.as_ptr() as usize).wrapping_sub(event.as_ptr() as usize);
        let end = start.wrapping_add(words.len());
        let is_one_line = !event.contains(['\n', '\r']);
        if self.misses == MAX_MISSES || !is_one_line || event.get(start..end) != Some(words) {
            return;
        }
        self.misses += 1;
        self.event.clear();
        if self.misses < MAX_MISSES {
            self.event.push_str(event);
        }
        (self.start, self.end) = (start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(event: &str, words: &str) -> Template {
        let mut template = Template::default();
        let start = event.find(words).expect("the words are in the event");
        template.learn(event, &event[start..start + words.len()]);
        template
    }

    #[test]
    fn only_the_words_may_differ() {
        let mut template = learnt(r#"{"a":"one","b":1}"#, "one");
        let event = r#"{"a":"tw🍞o","b":1}"#;
        assert_eq!(template.words(event.as_bytes()), Some(("tw🍞o", &b""[..])));
        assert_eq!(template.words(format!("{event}\n\nx").as_bytes()), Some(("tw🍞o", &b"\n\nx"[..])));
        assert_eq!(template.words(b"{\"a\":\"tw\xffo\",\"b\":1}"), None);
        for other in [
            r#"{"a":"two","b":2}"#,
            r#"{"b":"two","b":1}"#,
            r#"{"a":"","b":1}"#,
            r#"{"a":"t\"wo","b":1}"#,
            "{\"a\":\"t\nwo\",\"b\":1}",
            r#"{"a":"#,
            "",
        ] {
            assert_eq!(template.words(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn nothing_is_learnt_from_elsewhere_or_in_vain() {
        let mut template = Template::default();
        template.learn("{\"a\":\"one\"}", "one");
        assert_eq!(template.words(b"{\"a\":\"one\"}"), None);
        for count in 0..MAX_MISSES {
            let event = format!("{{\"n\":{count},\"a\":\"x\"}}");
            let start = event.len() - 3;
            template.learn(&event, &event[start..=start]);
        }
        assert_eq!(template.words(format!("{{\"n\":{},\"a\":\"x\"}}", MAX_MISSES - 1).as_bytes()), None);
    }
}
