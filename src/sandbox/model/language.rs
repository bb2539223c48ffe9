//! Which language a question is in, near enough.

/// The languages that the cook speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    German,
    French,
    Spanish,
    Italian,
    Portuguese,
    Russian,
    Japanese,
    Chinese,
    Korean,
    Arabic,
}

use Language::*;

/// Words that give a language away.
const WORDS: [(Language, &[&str]); 6] = [
    (English, &["the", "is", "how", "what", "of", "a", "and", "do", "i", "in", "for", "with", "please"]),
    (
        German,
        &[
            "der", "die", "das", "wie", "ich", "ist", "und", "ein", "eine", "viel", "was", "für", "mit",
            "macht", "bitte", "hallo", "kann",
        ],
    ),
    (
        French,
        &[
            "le", "la", "les", "des", "une", "comment", "je", "est", "et", "pour", "avec", "quelle",
            "combien", "bonjour", "du",
        ],
    ),
    (
        Spanish,
        &[
            "el", "los", "las", "una", "cómo", "como", "es", "y", "para", "con", "qué", "cuánto", "cuántos",
            "hola", "puedo", "hago",
        ],
    ),
    (
        Italian,
        &[
            "il", "gli", "una", "come", "è", "e", "per", "con", "che", "quanto", "quanti", "ciao", "posso",
            "faccio", "della",
        ],
    ),
    (
        Portuguese,
        &[
            "o", "os", "uma", "como", "é", "e", "para", "com", "que", "quanto", "olá", "posso", "faço",
            "não", "você",
        ],
    ),
];

/// The language of a text; English when nothing gives it away.
pub(super) fn language_of(text: &str) -> Language {
    by_script(text).unwrap_or_else(|| by_words(text))
}

fn by_script(text: &str) -> Option<Language> {
    if text.chars().any(|c| matches!(c, '\u{3040}'..='\u{30FF}')) {
        return Some(Japanese);
    }
    text.chars().find_map(|c| match c {
        '\u{0400}'..='\u{04FF}' => Some(Russian),
        '\u{0600}'..='\u{06FF}' => Some(Arabic),
        '\u{AC00}'..='\u{D7AF}' => Some(Korean),
        '\u{4E00}'..='\u{9FFF}' => Some(Chinese),
        _ => None,
    })
}

fn by_words(text: &str) -> Language {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    let score = |known: &[&str]| words.iter().filter(|word| known.contains(word)).count();
    let mut best = (English, 0);
    for (language, known) in WORDS {
        let points = score(known);
        if points > best.1 {
            best = (language, points);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_recognised() {
        for (text, language) in [
            ("How do I poach an egg?", English),
            ("Wie macht man Spätzle?", German),
            ("Comment faire une vinaigrette ?", French),
            ("¿Cómo hago una tortilla para cuatro?", Spanish),
            ("Come faccio la carbonara per due?", Italian),
            ("Como você faz o arroz?", Portuguese),
            ("Как варить борщ?", Russian),
            ("味噌汁の作り方は？", Japanese),
            ("怎么做蛋炒饭？", Chinese),
            ("김치찌개 끓이는 법", Korean),
            ("كيف أصنع الحمّص؟", Arabic),
            ("👨‍👩‍👧", English),
        ] {
            assert_eq!(language_of(text), language, "{text}");
        }
    }
}
