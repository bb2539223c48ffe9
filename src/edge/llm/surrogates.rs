//! Halves of surrogate pairs: an emoji that a provider cut in two, one `\ud83d` in this event and
//! one `\ude00` in the next.

/// Mends halves in JSON text, remembering one across events.
#[derive(Debug, Default)]
pub(super) struct Surrogates {
    high: Option<u16>,
}

impl Surrogates {
    /// `json` with every lone half replaced: a first half at the end of a string waits for its
    /// second half at the beginning of a later one; the rest become `\ufffd`. `None` when there is
    /// no lone half.
    pub fn mend(&mut self, json: &str) -> Option<String> {
        let mut mended = String::with_capacity(json.len() + 8);
        let (mut rest, mut changed) = (json, false);
        while let Some(at) = rest.find('\\') {
            mended.push_str(&rest[..at]);
            let opens = mended.ends_with('"');
            rest = &rest[at..];
            let Some(unit) = escape(rest) else {
                let end = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
                mended.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            };
            let whole_pair = is_high(unit) && escape(&rest[6..]).is_some_and(is_low);
            let length = if whole_pair { 12 } else { 6 };
            let closes = rest[length..].starts_with('"');
            if whole_pair || !(is_high(unit) || is_low(unit)) {
                mended.push_str(&rest[..length]);
            } else {
                changed = true;
                self.replace(unit, opens, closes, &mut mended);
            }
            rest = &rest[length..];
        }
        mended.push_str(rest);
        changed.then_some(mended)
    }

    fn replace(&mut self, unit: u16, opens: bool, closes: bool, mended: &mut String) {
        let waiting = self.high.take();
        match waiting {
            Some(high) if opens && is_low(unit) => {
                mended.push_str(&format!("\\u{high:04x}\\u{unit:04x}"));
            }
            _ if closes && is_high(unit) => self.high = Some(unit),
            _ => mended.push_str("\\ufffd"),
        }
    }
}

/// The code unit of a `\uXXXX` at the very beginning.
fn escape(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

fn is_high(unit: u16) -> bool {
    (0xd800..0xdc00).contains(&unit)
}

fn is_low(unit: u16) -> bool {
    (0xdc00..0xe000).contains(&unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_cut_in_two_is_joined() {
        let mut surrogates = Surrogates::default();
        assert_eq!(surrogates.mend(r#"{"a":"hi \ud83d"}"#).as_deref(), Some(r#"{"a":"hi "}"#));
        assert_eq!(surrogates.mend(r#"{"a":"\ude00!"}"#).as_deref(), Some(r#"{"a":"\ud83d\ude00!"}"#));
    }

    #[test]
    fn lone_halves_are_replaced() {
        let mut surrogates = Surrogates::default();
        assert_eq!(surrogates.mend(r#""\ude00 \ud83d.""#).as_deref(), Some(r#""\ufffd \ufffd.""#));
    }

    #[test]
    fn healthy_text_is_left_alone() {
        let mut surrogates = Surrogates::default();
        for json in [r#""\ud83d\ude00 \\ud83d \n\u00e9""#, r#""plain""#, "\\", "\\u12", "\\é\\u"] {
            assert_eq!(surrogates.mend(json), None, "{json}");
        }
    }
}
