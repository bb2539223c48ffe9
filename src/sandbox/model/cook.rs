//! What the simulated model says: a cook's answers, the same for the same question.

use super::language::Language::{self, *};
use super::language::language_of;

/// An answer, the language it is in, and the words that call for it.
type Answer = (Language, &'static [&'static str], &'static str);

const ANSWERS: &[Answer] = &[
    (English, &["omelet", "omelette", "scramble"], include_str!("answers/en_omelette.md")),
    (English, &["bread", "loaf", "dough", "bake", "yeast"], include_str!("answers/en_bread.md")),
    (English, &["egg", "boil", "yolk"], include_str!("answers/en_eggs.md")),
    (English, &["pasta", "spaghetti", "noodle", "code", "program"], include_str!("answers/en_pasta.md")),
    (English, &["soup", "salt", "sauce", "stew"], include_str!("answers/en_soup.md")),
    (English, &["knife", "cut", "chop", "dice", "sharpen"], include_str!("answers/en_knife.md")),
    (
        English,
        &["substitut", "instead", "replace", "without", "butter"],
        include_str!("answers/en_substitute.md"),
    ),
    (
        English,
        &["hello", " hi ", "hey ", "good morning", "who are you", "thank"],
        include_str!("answers/en_hello.md"),
    ),
    (
        English,
        &["dinner", "family", "children", "kids", "guests", "menu"],
        include_str!("answers/en_family.md"),
    ),
    (English, &["rice", "basmati", "risotto"], include_str!("answers/en_rice.md")),
    (German, &["spätzle", "nudel", "käse", "teig"], include_str!("answers/de_spaetzle.md")),
    (German, &["kartoffel", "salat", "hallo", "guten"], include_str!("answers/de_kartoffel.md")),
    (French, &["vinaigrette", "salade", "sauce"], include_str!("answers/fr_vinaigrette.md")),
    (French, &["crêpe", "dessert", "bonjour", "salut"], include_str!("answers/fr_crepes.md")),
    (Spanish, &[], include_str!("answers/es_tortilla.md")),
    (Italian, &[], include_str!("answers/it_carbonara.md")),
    (Portuguese, &[], include_str!("answers/pt_arroz.md")),
    (Russian, &[], include_str!("answers/ru_borsch.md")),
    (Japanese, &[], include_str!("answers/ja_dashi.md")),
    (Chinese, &[], include_str!("answers/zh_rice.md")),
    (Korean, &[], include_str!("answers/ko_kimchi.md")),
    (Arabic, &[], include_str!("answers/ar_hummus.md")),
];

const FILLER: [&str; 8] = [
    "Warm the pan before anything goes into it.",
    "Taste, then salt, then taste again.",
    "An onion wants patience more than heat.",
    "Keep a cup of the cooking water aside.",
    "A little acid at the end wakes everything up.",
    "Let the dough rest while you clear the table.",
    "If in doubt, turn the flame down and wait.",
    "Serve it on warm plates and sit down with them.",
];

/// The answer to a question, in its language.
pub fn answer(question: &str) -> &'static str {
    let language = language_of(question);
    let lower = format!(" {} ", question.to_lowercase());
    let known: Vec<&Answer> = ANSWERS.iter().filter(|answer| answer.0 == language).collect();
    let hits = |answer: &Answer| answer.1.iter().filter(|word| lower.contains(**word)).count();
    let most = known.iter().map(|answer| hits(answer)).max().unwrap_or(0);
    let best: Vec<_> = known.into_iter().filter(|answer| hits(answer) == most).collect();
    match best.as_slice() {
        [] => ANSWERS[0].2.trim_end(),
        some => some[hash(question) as usize % some.len()].2.trim_end(),
    }
}

/// A text of exactly `chars` characters. Its sentences are numbered, so that a lost or a doubled
/// piece shows.
pub fn of_length(chars: usize) -> String {
    let mut text = String::new();
    let mut length = 0;
    for number in 1.. {
        if length >= chars {
            break;
        }
        let end = if number % 5 == 0 { "\n\n" } else { " " };
        let sentence = format!("({number}) {}{end}", FILLER[number % FILLER.len()]);
        length += sentence.chars().count();
        text += &sentence;
    }
    let mut exact: String = text.chars().take(chars).collect();
    close(&mut exact);
    exact
}

/// White space at the end would be trimmed on the way: full stops stand in for it.
fn close(text: &mut String) {
    let bare = text.trim_end().len();
    let missing = text.len() - bare;
    text.truncate(bare);
    text.push_str(&".".repeat(missing));
}

/// FNV-1a: the same in every run and on every machine.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_gets_the_answer_of_its_language_and_subject() {
        assert!(answer("How do I make an omelette?").starts_with("## A soft omelette"));
        assert!(answer("Wie macht man Spätzle?").starts_with("## Spätzle"));
        assert!(answer("Как варить борщ?").starts_with("## Борщ"));
        assert_eq!(answer("why is the sky blue"), answer("why is the sky blue"));
    }

    #[test]
    fn answers_have_the_length_of_answers() {
        for (language, _, text) in ANSWERS {
            let length = text.chars().count();
            assert!((200..=1500).contains(&length), "{language:?}: {length}");
        }
    }

    #[test]
    fn a_length_is_met_exactly_and_nothing_would_be_trimmed() {
        for chars in [0, 1, 46, 47, 48, 300, 1385, 5000] {
            let text = of_length(chars);
            assert_eq!((text.chars().count(), text.trim().len()), (chars, text.len()));
        }
    }
}
