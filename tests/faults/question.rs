//! What people say, so that every word of every answer can be told from all others.

use brigade::domain::commands::{HELP, NOTHING_TO_RETRY, RESTARTED};
use brigade::domain::ids::{ChatKey, TurnId};

use super::plan::Random;

/// The bot of these tests.
pub const BOT: i64 = 77;
/// Conversations.
pub const CHATS: usize = 50;
/// Where a stream breaks off, in characters.
const BREAK_CHARS: usize = 500;
/// The topic in a group that has one.
const TOPIC: i32 = 11;
/// Whoever writes in a group.
const MEMBER: i64 = 42;

/// Something that was said, and what is to come of it.
#[derive(Debug, Clone)]
pub struct Said {
    /// The turn that it is.
    pub turn: TurnId,
    /// Where.
    pub key: ChatKey,
    /// The number of the question there that it asks.
    pub number: usize,
    /// What is to come of it.
    pub wanted: Wanted,
    /// When, in the simulated Telegram's time.
    pub at_ms: u64,
}

/// What is to come of something said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// This answer, to its last word.
    Answer(String),
    /// No answer: the model fails for good.
    Failure,
    /// The model breaks off after these words. Asked to go on it either fails again, or does so with
    /// words of its own.
    BrokenOff(String),
    /// A command's fixed text.
    Fixed(&'static str),
    /// An answer that is on its way ends where it is, or there is none.
    Stop,
}

/// The `number`-th thing said in a chat.
pub struct Question {
    /// The words.
    pub text: String,
    /// The number of the question that is answered: of an earlier one, when that is asked again.
    pub number: usize,
    /// What is to come of them.
    pub wanted: Wanted,
}

/// The conversation number `chat`: one in ten is a group's, and one a topic in the same group.
pub fn key_of(chat: usize) -> ChatKey {
    let id = 7_000_001 + chat as i64;
    match chat % 10 {
        8 => ChatKey { bot: BOT, chat: -(id + 1), topic: Some(TOPIC) },
        9 => ChatKey { bot: BOT, chat: -id, topic: None },
        _ => ChatKey { bot: BOT, chat: id, topic: None },
    }
}

/// Who speaks there.
pub fn user_in(key: ChatKey) -> i64 {
    if key.chat > 0 { key.chat } else { MEMBER }
}

/// A word that no other answer has: which chat, which question, which word.
fn word(chat: usize, number: usize, at: usize) -> String {
    format!("c{chat}q{number}w{at}")
}

/// The words of this kind in a text, each with its question and its place.
pub fn words_in(text: &str) -> impl Iterator<Item = (usize, usize)> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|word| {
        let (_, rest) = word.strip_prefix('c')?.split_once('q')?;
        let (number, at) = rest.split_once('w')?;
        Some((number.parse().ok()?, at.parse().ok()?))
    })
}

impl Question {
    /// Draws one; `last` is the last that was asked in this session.
    pub fn drawn(chat: usize, number: usize, last: Option<&Self>, random: &mut Random) -> Self {
        let head = format!("question {number} #gap=2 #delta={}", random.within(20, 60));
        match random.below(100) {
            0..4 => Self::command("/help", number, HELP),
            4..7 => Self::command("/restart", number, RESTARTED),
            13..18 => Self { text: "/stop".to_owned(), number, wanted: Wanted::Stop },
            18..23 => Self::again(number, last),
            7..11 => {
                let how = random.one_of(&["#fail=400", "#fail=context", "#fail=500", "#empty", "#garbage"]);
                Self { text: format!("{head} #first=20 {how}"), number, wanted: Wanted::Failure }
            }
            11..13 => {
                let words = answer(chat, number, 90);
                let text = format!("{head} #first=20 #tool=1 #break={BREAK_CHARS} #say={words}");
                Self { text, number, wanted: Wanted::BrokenOff(words.chars().take(BREAK_CHARS).collect()) }
            }
            _ => Self::answered(&head, chat, number, random),
        }
    }

    fn answered(head: &str, chat: usize, number: usize, random: &mut Random) -> Self {
        let length = if random.below(25) == 0 { 700 } else { random.within(3, 120) };
        let words = answer(chat, number, length as usize);
        let first_ms = random.one_of(&[20, 20, 20, 20, 20, 20, 20, 700]);
        let tools = random.one_of(&["", "", "", "#tool=1", "#tool=2", "#tool=1 #tools=2"]);
        let text = format!("{head} #first={first_ms} {tools} #say={words}");
        Self { text, number, wanted: Wanted::Answer(words) }
    }

    fn command(text: &str, number: usize, fixed: &'static str) -> Self {
        Self { text: text.to_owned(), number, wanted: Wanted::Fixed(fixed) }
    }

    /// The last question once more. One with tools has them run again, with the same names, which the
    /// checks would take for a tool that ran twice: it is not asked again.
    fn again(number: usize, last: Option<&Self>) -> Self {
        match last {
            None => Self::command("/retry", number, NOTHING_TO_RETRY),
            Some(last) if last.text.contains("#tool") => Self::command("/help", number, HELP),
            Some(last) => {
                Self { text: "/retry".to_owned(), number: last.number, wanted: last.wanted.clone() }
            }
        }
    }

    /// The last question of a session after this one.
    pub fn last_after(self, last: Option<Self>) -> Option<Self> {
        match self.text.as_str() {
            "/restart" => None,
            text if text.starts_with('/') => last,
            _ => Some(self),
        }
    }
}

/// An answer of so many words, with paragraphs and some bold.
fn answer(chat: usize, number: usize, words: usize) -> String {
    let mut text = String::new();
    for at in 0..words {
        text += match at {
            0 => "",
            _ if at % 37 == 0 => "\n\n",
            _ => " ",
        };
        let word = word(chat, number, at);
        text += &if at % 11 == 5 { format!("**{word}**") } else { word };
    }
    text
}
