//! The answer that follows tool results, and quotes them.

use serde_json::Value;

use super::ask::Served;
use super::language::Language::{self, *};
use super::language::language_of;
use super::units::{Measure, Unit, unit_of};
use super::wishes::{FROM, INGREDIENT, SUM, TO, VALUE};

/// What the tools found, in a sentence each, and a word of advice.
pub(super) fn answer(question: &str, served: &[Served<'_>]) -> String {
    let language = language_of(question);
    let mut sentences: Vec<String> = Vec::new();
    for one in served {
        let sentence = sentence(language, one);
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    let found = match sentences.as_slice() {
        [one] => one.clone(),
        many => many.iter().map(|sentence| format!("- {sentence}")).collect::<Vec<_>>().join("\n"),
    };
    format!("{found}\n\n{}", advice(language, served))
}

fn sentence(language: Language, served: &Served<'_>) -> String {
    let result = served.result.trim();
    let arguments: Value = serde_json::from_str(&served.call.function.arguments).unwrap_or_default();
    let name = served.call.function.name.as_str();
    if failed(result) {
        return refusal(language, result);
    }
    let converted = name.contains("convert").then(|| conversion(language, &arguments, result)).flatten();
    let sum = || Some(format!("{} = **{}**", field(&arguments, &SUM)?, last_number(result)?));
    let summed = name.contains("calc").then(sum).flatten();
    converted.or(summed).unwrap_or_else(|| quoted(language, result))
}

/// "A cup of flour weighs about 125 g."
fn conversion(language: Language, arguments: &Value, result: &str) -> Option<String> {
    let unit = |names: &[&str]| unit_of(&field(arguments, names)?.to_lowercase());
    let (from, to) = (unit(&FROM)?, unit(&TO)?);
    let value = field(arguments, &VALUE)?;
    let found = number_of_unit(result, to)?;
    let ingredient = field(arguments, &INGREDIENT);
    let unit = to.spoken.1;
    if language != English {
        let what = ingredient.map(|what| format!(" ({what})")).unwrap_or_default();
        return Some(format!("{value} {}{what} ≈ **{found} {unit}**", from.names[0]));
    }
    let of = ingredient.map(|what| format!(" of {what}")).unwrap_or_default();
    let one = value == "1";
    let start = if one { capital(from.spoken.0) } else { format!("{value} {}", from.spoken.1) };
    let weighs = from.measure == Measure::Volume && to.measure == Measure::Mass;
    let verb = match (weighs, one || from.measure == Measure::Heat) {
        (true, true) => "weighs about",
        (true, false) => "weigh about",
        (false, true) => "is about",
        (false, false) => "are about",
    };
    Some(format!("{start}{of} {verb} {found} {unit}."))
}

/// An argument as text.
fn field(arguments: &Value, names: &[&str]) -> Option<String> {
    match names.iter().find_map(|name| arguments.get(name))? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The number that stands before the unit's name, or the last number.
fn number_of_unit(result: &str, unit: &Unit) -> Option<String> {
    let lower = result.to_lowercase();
    let numbers = numbers_in(&lower);
    let before_unit = numbers.iter().find(|(_, end)| {
        let rest = lower[*end..].trim_start();
        let word = rest.find(|c: char| !c.is_alphabetic() && c != '°').map_or(rest, |at| &rest[..at]);
        unit.names.contains(&word)
    });
    before_unit.or(numbers.last()).map(|(number, _)| number.clone())
}

fn last_number(result: &str) -> Option<String> {
    numbers_in(result).pop().map(|(number, _)| number)
}

/// The numbers in a text, each with where it ends.
fn numbers_in(text: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(start) = text[rest..].find(|c: char| c.is_ascii_digit()).map(|at| rest + at) {
        let length = text[start..].find(|c: char| !c.is_ascii_digit() && !".,".contains(c));
        let end = length.map_or(text.len(), |length| start + length);
        let number = text[start..end].trim_end_matches(['.', ',']);
        let minus = if text[..start].ends_with(['-', '−']) { "-" } else { "" };
        found.push((format!("{minus}{number}"), start + number.len()));
        rest = end;
    }
    found
}

/// Tools say in words what was wrong; nothing else tells a failure from a result.
fn failed(result: &str) -> bool {
    let lower = result.to_lowercase();
    ["there is no", "not known", "can't", "cannot", "must be", "missing", "needs", "error"]
        .iter()
        .any(|words| lower.contains(words))
}

fn refusal(language: Language, result: &str) -> String {
    match language {
        German => format!("Das ließ sich nicht ausrechnen: {result}"),
        French => format!("Cela n'a pas marché : {result}"),
        Spanish => format!("No ha funcionado: {result}"),
        Italian => format!("Non ha funzionato: {result}"),
        _ => format!("That did not work: {result}"),
    }
}

fn quoted(language: Language, result: &str) -> String {
    match language {
        German => format!("Nachgesehen: {result}"),
        French => format!("J'ai vérifié : {result}"),
        Spanish => format!("Lo he mirado: {result}"),
        Italian => format!("Ho controllato: {result}"),
        _ => format!("I looked it up: {result}"),
    }
}

fn advice(language: Language, served: &[Served<'_>]) -> &'static str {
    let converted = served.iter().any(|one| one.call.function.name.contains("convert"));
    match (language, converted) {
        (German, true) => {
            "Genau ist das nur mit der Waage: Gesiebt passt *weniger* in die Tasse, gestampft mehr."
        }
        (French, true) => {
            "Pour être sûr, prenez une **balance** : tassée ou non, une tasse change vite de 20 %."
        }
        (Spanish, true) => "Para estar seguro, usa una **balanza**: una taza apretada pesa bastante más.",
        (Italian, true) => "Per essere precisi serve la **bilancia**: una tazza pressata pesa molto di più.",
        (English, true) => {
            "How you fill it matters: *scooped* from the bag it is more, *sifted* it is less, and the difference can be a fifth. If the recipe is fussy, trust the scales. ⚖️"
        }
        (English, false) => "Is there anything else that I can work out while the oven heats up? 🍳",
        _ => "🍳",
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use crate::domain::chat::ToolCall;

    use super::*;

    fn said(question: &str, name: &str, arguments: &str, result: &str) -> String {
        let call = ToolCall::function("c", name, arguments);
        let text = answer(question, &[Served { call: &call, result }]);
        text.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_result_is_said_in_a_sentence() {
        let flour = r#"{"value":1,"from":"cup","to":"g","ingredient":"flour"}"#;
        for result in
            ["125 g", "1 cup of flour = 125 g (4.4 oz)", "{\"result\": 125}", "1 cup of flour = about 125 g"]
        {
            let text = said("How many grams is a cup of flour?", "convert_units", flour, result);
            assert_eq!(text, "A cup of flour weighs about 125 g.", "{result}");
        }
        let heat = r#"{"value":350,"from":"F","to":"C"}"#;
        assert_eq!(said("350 F in C", "convert_units", heat, "176.7 °C"), "350 °F is about 176.7 °C.");
        assert_eq!(said("-", "calculate", r#"{"expression":"3*4"}"#, "12"), "3*4 = **12**");
    }

    #[test]
    fn what_is_no_number_is_quoted() {
        let flour = r#"{"value":1,"from":"cup","to":"g","ingredient":"flour"}"#;
        let text = said("how many", "convert_units", flour, "'value' must be between 0 and 1000");
        assert_eq!(text, "That did not work: 'value' must be between 0 and 1000");
        assert_eq!(said("the time?", "get_current_time", "{}", "12:30"), "I looked it up: 12:30");
    }
}
