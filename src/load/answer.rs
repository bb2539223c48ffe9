//! What is asked and what the model answers: made from the seed, the chat and the turn alone, so
//! that whoever sees a text anywhere can tell whose it is and whether it is whole.

use super::profile::Profile;
use crate::sandbox::telegram::chaos::Random;

/// What a question begins with.
const QUESTION: &str = "load-question";

/// The longest answer, however it was drawn, in characters.
pub(crate) const MOST_CHARS: u64 = 1_000_000;

/// Words without any mark that could be formatting; some are longer in bytes than in characters.
const WORDS: [&str; 24] = [
    "salt",
    "the",
    "water",
    "before",
    "it",
    "boils",
    "and",
    "let",
    "rest",
    "purée",
    "with",
    "crème",
    "for",
    "minutes",
    "then",
    "stir",
    "Spätzle",
    "slowly",
    "until",
    "jalapeño",
    "onion",
    "butter",
    "turns",
    "gold",
];

/// One turn as it was drawn.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The answer.
    pub(crate) text: String,
    /// In how many deltas it comes.
    pub(crate) deltas: usize,
    /// Rounds of tools before it.
    pub(crate) tool_rounds: u32,
    /// From the request to the first delta, in milliseconds.
    pub(crate) first_ms: f64,
    /// For the gaps between the deltas.
    pub(crate) random: Random,
}

impl Plan {
    /// The turn of a chat.
    pub(crate) fn of(profile: &Profile, chat: i64, turn: u32) -> Self {
        let mut random = Random::new(&[profile.seed, chat as u64, u64::from(turn)]);
        let model = &profile.model;
        let most = MOST_CHARS as f64;
        let deltas = model.deltas.draw(&mut random).round().clamp(1.0, most);
        let chars = (deltas * model.chars_per_delta).round().clamp(1.0, most) as usize;
        let tool_rounds = model.tool_rounds.draw(&mut random).round() as u32;
        let first_ms = model.first_ms.draw(&mut random);
        Self { text: answer(chat, turn, chars), deltas: deltas as usize, tool_rounds, first_ms, random }
    }
}

/// A question.
pub(crate) fn question(chat: i64, turn: u32) -> String {
    format!("{QUESTION} {chat} {turn}: how do I go on?")
}

/// The chat and the turn of the last question in a text, and what comes after it.
pub(crate) fn last_question(text: &str) -> Option<(i64, u32, &str)> {
    let rest = text.get(text.rfind(QUESTION)? + QUESTION.len() + 1..)?;
    let (names, after) = rest.split_once(':')?;
    let (chat, turn) = names.split_once(' ')?;
    Some((chat.parse().ok()?, turn.parse().ok()?, after))
}

/// The chat and the turn that a piece of an answer names.
pub(crate) fn named_in(text: &str) -> Option<(i64, u32)> {
    let rest = text.split_once("Chat ")?.1;
    let (chat, rest) = rest.split_once(", turn ")?;
    let (turn, _) = rest.split_once(", line ")?;
    Some((chat.parse().ok()?, turn.parse().ok()?))
}

/// An answer of exactly so many characters that neither begins nor ends with white space.
fn answer(chat: i64, turn: u32, chars: usize) -> String {
    let mut random = Random::new(&[chat as u64, u64::from(turn)]);
    let mut text = String::with_capacity(chars + chars / 16 + 64);
    let (mut written, mut line) = (0, 0_u32);
    while written < chars {
        line += 1;
        let sentence = sentence(chat, turn, line, &mut random);
        written += sentence.chars().count();
        text.push_str(&sentence);
    }
    let end = text.char_indices().nth(chars).map_or(text.len(), |(end, _)| end);
    text.truncate(end);
    while text.ends_with(char::is_whitespace) {
        text.pop();
    }
    text.extend(std::iter::repeat_n('.', chars - text.chars().count()));
    text
}

fn sentence(chat: i64, turn: u32, line: u32, random: &mut Random) -> String {
    let mut sentence = format!("Chat {chat}, turn {turn}, line {line}:");
    for _ in 0..6 + random.below(8) {
        sentence.push(' ');
        sentence.push_str(WORDS[random.below(WORDS.len() as u64) as usize]);
    }
    sentence.push_str(if line.is_multiple_of(4) { ".\n\n" } else { ". " });
    sentence
}

/// Where each delta of a text ends, in bytes: as even as whole characters allow.
pub(crate) fn delta_ends(text: &str, deltas: usize) -> Vec<usize> {
    let chars = text.chars().count();
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let deltas = deltas.clamp(1, chars.max(1));
    (1..=deltas).map(|delta| starts[delta * chars / deltas]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_length_that_was_asked_for_and_names_its_turn() {
        for chars in [1, 30, 99, 300, 1385, 5000] {
            let text = answer(17, 3, chars);
            assert_eq!(text.chars().count(), chars);
            assert_eq!(text.trim(), text);
        }
        assert_eq!(named_in(&answer(17, 3, 1385)[700..]), Some((17, 3)));
        assert_eq!(answer(17, 3, 500), answer(17, 3, 500));
        assert_ne!(answer(17, 4, 500)[30..], answer(17, 3, 500)[30..]);
    }

    #[test]
    fn the_seed_profile_is_what_it_says() {
        let plan = Plan::of(&Profile::find("seed").unwrap(), 5, 1);
        assert_eq!((plan.text.chars().count(), plan.deltas), (1385, 319));
        let ends = delta_ends(&plan.text, plan.deltas);
        assert_eq!((ends.len(), ends.last().copied()), (319, Some(plan.text.len())));
    }

    #[test]
    fn deltas_cover_the_text_without_empty_ones() {
        let text = "crème brûlée";
        let ends = delta_ends(text, 5);
        let pieces: Vec<_> =
            ends.iter().scan(0, |from, end| Some(&text[std::mem::replace(from, *end)..*end])).collect();
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
        assert_eq!(delta_ends("ab", 9), [1, 2]);
    }

    #[test]
    fn the_last_question_is_the_one_to_answer() {
        let body = format!("{} ... {} rest", question(5, 1), question(5, 2));
        let (chat, turn, rest) = last_question(&body).unwrap();
        assert_eq!((chat, turn, rest), (5, 2, " how do I go on? rest"));
        assert_eq!(last_question("nothing of ours"), None);
    }
}
