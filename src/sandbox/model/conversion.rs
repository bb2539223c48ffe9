//! Finds in a question what shall be converted into what.

use super::units::{Measure, Unit, in_english, unit_of};

/// "How many grams is a cup of flour?"
#[derive(Debug, PartialEq)]
pub(super) struct Conversion {
    pub(super) value: f64,
    pub(super) from: &'static Unit,
    pub(super) to: &'static Unit,
    /// In English.
    pub(super) ingredient: Option<String>,
}

/// A unit in the text: where, and how much of it.
struct Mention {
    at: usize,
    unit: &'static Unit,
    value: Option<f64>,
}

/// Words that are units only behind a number or a word of [`INTO`].
const AMBIGUOUS: [&str; 8] = ["l", "el", "tl", "c", "f", "pt", "g", "gal"];
const INTO: [&str; 7] = ["to", "into", "in", "en", "nach", "as", "vs"];
const OF: [&str; 7] = ["of", "de", "di", "da", "d", "von", "du"];

#[rustfmt::skip]
const STOPS: [&str; 38] = [
    "to", "in", "into", "is", "are", "weigh", "weighs", "en", "zu", "und", "and", "have", "has", "do", "does",
    "nach", "wie", "sind", "ist", "for", "please", "as", "equal", "equals", "contain", "contains", "there", "y",
    "a", "an", "one", "una", "une", "eine", "if", "hay", "per", "how",
];

/// The conversion that a question asks for.
pub(super) fn conversion_in(question: &str) -> Option<Conversion> {
    let words = words_of(question);
    let mentions: Vec<Mention> = (0..words.len()).filter_map(|at| mention(&words, at)).collect();
    let from = mentions.iter().find(|mention| mention.value.is_some()).or(mentions.last())?;
    let other = mentions.iter().find(|mention| mention.at != from.at && mention.unit != from.unit);
    let ingredient =
        [Some(from), other].into_iter().flatten().find_map(|mention| ingredient(&words, mention.at));
    let to = match other {
        Some(mention) => mention.unit,
        None if from.value.is_some() && question.contains('?') => {
            usual_target(from.unit, ingredient.is_some())?
        }
        None => return None,
    };
    fits(from.unit.measure, to.measure).then(|| Conversion {
        value: from.value.unwrap_or(1.0),
        from: from.unit,
        to,
        ingredient,
    })
}

/// Lower-case words, numbers and marks, "350°F" being two words.
fn words_of(text: &str) -> Vec<String> {
    #[derive(PartialEq, Clone, Copy)]
    enum Kind {
        Number,
        Word,
        Mark,
        Space,
    }
    let kind = |c: char| match c {
        '0'..='9' | '½' | '¼' | '¾' | '⅓' | '⅔' | '/' | '.' => Kind::Number,
        c if c.is_alphabetic() || c == '°' => Kind::Word,
        c if c.is_whitespace() || c == '\'' || c == '’' => Kind::Space,
        _ => Kind::Mark,
    };
    let mut words: Vec<String> = Vec::new();
    let mut last = Kind::Space;
    for c in text.to_lowercase().chars() {
        let now = kind(c);
        match words.last_mut() {
            Some(word) if now == last && now != Kind::Mark => word.push(c),
            _ if now != Kind::Space => words.push(c.to_string()),
            _ => {}
        }
        last = now;
    }
    words
}

fn mention(words: &[String], at: usize) -> Option<Mention> {
    let word = words[at].as_str();
    let unit = unit_of(word)?;
    let value = value_before(words, at);
    let before = at.checked_sub(1).map_or("", |at| words[at].as_str());
    let numbered = number(before).is_some();
    let clear = !AMBIGUOUS.contains(&word) || numbered || INTO.contains(&before);
    clear.then_some(Mention { at, unit, value })
}

fn value_before(words: &[String], at: usize) -> Option<f64> {
    let before = |n: usize| at.checked_sub(n).map(|at| words[at].as_str());
    let value = before(1).and_then(amount)?;
    match before(2) {
        Some("half") => Some(value / 2.0),
        Some(more) if value < 1.0 => Some(number(more).unwrap_or(0.0) + value),
        _ => Some(value),
    }
}

fn amount(word: &str) -> Option<f64> {
    const COUNTED: [&str; 10] =
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    match word {
        "a" | "an" | "ein" | "eine" | "einer" | "un" | "une" | "una" | "uma" => Some(1.0),
        "half" | "halbe" | "demi" | "media" => Some(0.5),
        word => {
            number(word).or_else(|| COUNTED.iter().position(|name| *name == word).map(|n| n as f64 + 1.0))
        }
    }
}

/// "2", "2.5", "1/2", "½", "1½"; a comma never gets here.
fn number(word: &str) -> Option<f64> {
    let fraction = |c: char| match c {
        '½' => Some(0.5),
        '¼' => Some(0.25),
        '¾' => Some(0.75),
        '⅓' => Some(1.0 / 3.0),
        '⅔' => Some(2.0 / 3.0),
        _ => None,
    };
    if let Some(part) = word.chars().next_back().and_then(fraction) {
        let whole = word.trim_end_matches(|c| fraction(c).is_some());
        return if whole.is_empty() {
            Some(part)
        } else {
            whole.parse::<f64>().ok().map(|whole| whole + part)
        };
    }
    match word.split_once('/') {
        Some((above, below)) => {
            let below = below.parse::<f64>().ok().filter(|below| *below != 0.0)?;
            Some(above.parse::<f64>().ok()? / below)
        }
        None => word.parse().ok(),
    }
}

/// The one or two words behind "of", or right behind the unit.
fn ingredient(words: &[String], unit_at: usize) -> Option<String> {
    let next = words.get(unit_at + 1)?;
    let from = if OF.contains(&next.as_str()) { unit_at + 2 } else { unit_at + 1 };
    let is_part = |word: &&String| {
        let alphabetic = word.chars().all(char::is_alphabetic);
        alphabetic && !STOPS.contains(&word.as_str()) && unit_of(word).is_none()
    };
    let words: Vec<&str> = words.iter().skip(from).take_while(is_part).take(2).map(String::as_str).collect();
    let joined = words.join(" ");
    (!joined.is_empty()).then(|| in_english(&joined).to_owned())
}

/// What people want who name only what they have.
fn usual_target(from: &Unit, of_something: bool) -> Option<&'static Unit> {
    unit_of(match (from.measure, from.names[0]) {
        (Measure::Heat, "f") => "c",
        (Measure::Heat, _) => "f",
        (Measure::Volume, "ml" | "l") if of_something => "g",
        (_, "ml" | "l" | "g" | "kg") => return None,
        (Measure::Mass, _) => "g",
        (Measure::Volume, _) => {
            if of_something {
                "g"
            } else {
                "ml"
            }
        }
    })
}

/// Between masses and volumes the tool has to know the ingredient, and says so if it doesn't.
fn fits(from: Measure, to: Measure) -> bool {
    let is_amount = |measure| matches!(measure, Measure::Mass | Measure::Volume);
    from == to || (is_amount(from) && is_amount(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(question: &str) -> Option<(f64, &'static str, &'static str, Option<String>)> {
        let found = conversion_in(question)?;
        Some((found.value, found.from.names[0], found.to.names[0], found.ingredient))
    }

    #[test]
    fn questions_are_understood() {
        let of = |what: &str| Some(what.to_owned());
        for (question, value, from, to, ingredient) in [
            ("How many grams is a cup of flour?", 1.0, "cup", "g", of("flour")),
            ("How many grams of brown sugar are in 2 cups?", 2.0, "cup", "g", of("brown sugar")),
            ("convert 350°F to °C", 350.0, "f", "c", None),
            ("What is 200 C in F", 200.0, "c", "f", None),
            ("half a cup of butter in ounces", 0.5, "cup", "oz", of("butter")),
            ("1 1/2 cups milk in ml please", 1.5, "cup", "ml", of("milk")),
            ("3 oz to g", 3.0, "oz", "g", None),
            ("My recipe says 350°F. How hot is that?", 350.0, "f", "c", None),
            ("Wie viel Gramm sind 2 Tassen Mehl?", 2.0, "cup", "g", of("flour")),
            ("¿Cuántos gramos hay en una taza de harina?", 1.0, "cup", "g", of("flour")),
        ] {
            assert_eq!(read(question), Some((value, from, to, ingredient)), "{question}");
        }
    }

    #[test]
    fn other_texts_ask_for_nothing() {
        for text in [
            "How do I make an omelette?",
            "a recipe with 200 g of flour",
            "What is in a soup?",
            "How many cups are 3 °F?",
            "c",
            "",
            "🍳/½/0",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
