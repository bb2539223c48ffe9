//! The api key, and how it is kept out of sight.

use std::fmt;

/// What stands in its place.
const HIDDEN: &str = "[api key]";

/// An api key. It is never printed, and [`Secret::hide`] takes it out of other people's texts.
#[derive(Clone, Default)]
pub(super) struct Secret(pub Option<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { HIDDEN } else { "no api key" })
    }
}

impl Secret {
    /// `text` without the key, also where a provider echoes it with its middle masked.
    pub fn hide(&self, text: &str) -> String {
        let Some(key) = self.0.as_deref().map(str::trim).filter(|key| !key.is_empty()) else {
            return text.to_owned();
        };
        let text = if key.len() < 8 { text.to_owned() } else { text.replace(key, HIDDEN) };
        let mut hidden = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(start) = rest.find(is_key_char) {
            let word = &rest[start..];
            let end = word.find(|letter| !is_key_char(letter)).unwrap_or(word.len());
            hidden.push_str(&rest[..start]);
            hidden.push_str(if echoes(&word[..end], key) { HIDDEN } else { &word[..end] });
            rest = &word[end..];
        }
        hidden + rest
    }
}

fn is_key_char(letter: char) -> bool {
    letter.is_alphanumeric() || "-_*….".contains(letter)
}

/// Whether a word is the key, a long piece of it, or its masked form.
fn echoes(word: &str, key: &str) -> bool {
    let bare = word.trim_end_matches('.');
    let masked = ["**", "...", "…"].iter().any(|mask| bare.contains(mask));
    let begins = |count| key.get(..count).is_some_and(|start| bare.starts_with(start));
    let ends = |count| {
        key.len().checked_sub(count).and_then(|at| key.get(at..)).is_some_and(|end| bare.ends_with(end))
    };
    bare == key || (masked && (begins(2) || ends(2))) || (key.len() >= 16 && (begins(8) || ends(8)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-proj-abcdefghijklmnop1234";

    fn hide(key: &str, text: &str) -> String {
        Secret(Some(key.to_owned())).hide(text)
    }

    #[test]
    fn the_key_goes_whole_masked_or_in_part() {
        for echo in [KEY, "sk-proj-********1234", "sk-…1234", "***1234", "sk-proj-abcdef", "klmnop1234"] {
            assert_eq!(
                hide(KEY, &format!("bad key '{echo}', sorry")),
                "bad key '[api key]', sorry",
                "{echo}"
            );
        }
    }

    #[test]
    fn other_words_stay() {
        let text = "**bold** models of skill: sk, ask... (https://example.com/a_b-c)";
        assert_eq!(hide(KEY, text), text);
        assert_eq!(hide("x", "an x axis"), "an [api key] axis");
        assert_eq!(Secret(None).hide(text), text);
    }

    #[test]
    fn it_is_not_printed() {
        assert_eq!(format!("{:?}", Secret(Some(KEY.to_owned()))), "[api key]");
    }
}
