//! Directives in a message that shape the simulated answer: `#first=8000 #chars=1385`.

/// Every directive, as it is written, and what it does.
pub const DIRECTIVES: &[(&str, &str)] = &[
    ("#first=8000", "the first words come after 8000 ms; a whole answer, too"),
    ("#gap=42", "42 ms between pieces"),
    ("#chars=1385", "an answer of exactly 1385 characters"),
    ("#delta=5", "pieces of 5 characters"),
    ("#tool=2", "2 rounds of tool calls before the answer, if tools are offered"),
    ("#tools=2", "2 tool calls in each round"),
    ("#fail=500", "the model refuses: 500, 503, 429, 401, 400 or 'context' (too long)"),
    ("#break=200", "the stream breaks off after 200 characters; with #fail it ends in an error"),
    ("#hang", "nothing comes, for ever; with #break only after that many characters"),
    ("#garbage", "an answer that is no JSON"),
    ("#empty", "an answer without any text"),
    ("#say=Hello", "exactly this answer: all up to the next directive"),
];

/// What a message asks of the script, and the message without it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Directives {
    pub(super) first_ms: Option<u64>,
    pub(super) gap_ms: Option<u64>,
    pub(super) chars: Option<usize>,
    pub(super) delta: Option<usize>,
    pub(super) rounds: Option<usize>,
    pub(super) parallel: Option<usize>,
    pub(super) fail: Option<String>,
    pub(super) break_at: Option<usize>,
    pub(super) hang: bool,
    pub(super) garbage: bool,
    pub(super) empty: bool,
    pub(super) say: Option<String>,
    pub(super) rest: String,
}

impl Directives {
    /// Reads a message. What looks like a directive and is none stays in the text.
    pub(super) fn read(message: &str) -> Self {
        let starts: Vec<usize> =
            message.match_indices('#').map(|(at, _)| at).filter(|at| is_directive(message, *at)).collect();
        let mut read = Self::default();
        let mut rest = message[..starts.first().copied().unwrap_or(message.len())].to_owned();
        for (n, at) in starts.iter().enumerate() {
            let end = starts.get(n + 1).copied().unwrap_or(message.len());
            rest += read.take(&message[*at + 1..end]);
        }
        read.rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
        read
    }

    /// Takes one directive and returns the text behind it.
    fn take<'a>(&mut self, text: &'a str) -> &'a str {
        if let Some(words) = text.strip_prefix("say=") {
            self.say = Some(words.trim().to_owned());
            return "";
        }
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (name, value) = text[..end].split_once('=').unwrap_or((&text[..end], ""));
        self.set(name, value);
        &text[end..]
    }

    fn set(&mut self, name: &str, value: &str) {
        let number = value.parse().ok();
        let count = value.parse().ok();
        match name {
            "first" => self.first_ms = number,
            "gap" => self.gap_ms = number,
            "chars" => self.chars = count,
            "delta" => self.delta = count,
            "tool" => self.rounds = count.or(Some(1)),
            "tools" => self.parallel = count.or(Some(2)),
            "break" => self.break_at = count.or(Some(0)),
            "fail" => self.fail = Some(if value.is_empty() { "500".into() } else { value.to_owned() }),
            "hang" => self.hang = true,
            "garbage" => self.garbage = true,
            "empty" => self.empty = true,
            _ => {}
        }
    }
}

/// Whether a known name stands after the `#` at `at`, as a word of its own.
fn is_directive(message: &str, at: usize) -> bool {
    let alone = message[..at].chars().next_back().is_none_or(char::is_whitespace);
    let word = &message[at..];
    let end = word.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(word.len());
    alone && DIRECTIVES.iter().any(|(known, _)| known.split('=').next() == Some(&word[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_stand_anywhere_and_leave_the_rest() {
        let read =
            Directives::read("How #first=8000 much #gap=42\nsalt? #chars=1385 #hang #1 # heading #nothing");
        assert_eq!(
            (read.first_ms, read.gap_ms, read.chars, read.hang),
            (Some(8000), Some(42), Some(1385), true)
        );
        assert_eq!(read.rest, "How much salt? #1 # heading #nothing");
    }

    #[test]
    fn what_is_said_goes_on_to_the_next_directive() {
        let read = Directives::read("#say=Two\nlines #delta=3");
        assert_eq!((read.say.as_deref(), read.delta), (Some("Two\nlines"), Some(3)));
    }

    #[test]
    fn every_listed_directive_is_read() {
        for (example, _) in DIRECTIVES {
            let read = Directives::read(example);
            assert_ne!(read, Directives::default(), "{example}");
            assert_eq!(read.rest, "", "{example}");
        }
    }
}
