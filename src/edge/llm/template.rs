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
    /// The words of `event`, if it is the template with other words, in which nothing is escaped.
    pub fn words<'a>(&mut self, event: &'a str) -> Option<&'a str> {
        let rest = event.strip_prefix(self.event.get(..self.start)?)?;
        let (words, behind) = rest.split_at(memchr2(b'"', b'\\', rest.as_bytes())?);
        let is_same = behind == self.event.get(self.end..)?;
        // A control character may not stand in a string as it is.
        (is_same && !words.is_empty() && !words.contains(|c: char| c < ' ')).then(|| {
            self.misses = 0;
            words
        })
    }

    /// `event` was read, and says nothing but `words`, a string in it without escapes.
    pub fn learn(&mut self, event: &str, words: &str) {
        let start = (words.as_ptr() as usize).wrapping_sub(event.as_ptr() as usize);
        let end = start.wrapping_add(words.len());
        if self.misses == MAX_MISSES || event.get(start..end) != Some(words) {
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
        assert_eq!(template.words(r#"{"a":"tw🍞o","b":1}"#), Some("tw🍞o"));
        for other in [
            r#"{"a":"two","b":2}"#,
            r#"{"b":"two","b":1}"#,
            r#"{"a":"","b":1}"#,
            r#"{"a":"t\"wo","b":1}"#,
            r#"{"a":"t","b":1,"a":"wo","b":1}"#,
            "{\"a\":\"t\nwo\",\"b\":1}",
            r#"{"a":"#,
            "",
        ] {
            assert_eq!(template.words(other), None, "{other}");
        }
    }

    #[test]
    fn nothing_is_learnt_from_elsewhere_or_in_vain() {
        let mut template = Template::default();
        template.learn("{\"a\":\"one\"}", "one");
        assert_eq!(template.words("{\"a\":\"one\"}"), None);
        for count in 0..MAX_MISSES {
            let event = format!("{{\"n\":{count},\"a\":\"x\"}}");
            let start = event.len() - 3;
            template.learn(&event, &event[start..=start]);
        }
        assert_eq!(template.words(&format!("{{\"n\":{},\"a\":\"x\"}}", MAX_MISSES - 1)), None);
    }
}
