//! When the simulated model asks for a tool, and with which arguments.

use serde_json::{Map, Value, json};

use crate::domain::chat::ToolCall;

use super::ask::{Offered, Turn};
use super::conversion::{Conversion, conversion_in};
use super::cook::hash;
use super::directives::Directives;
use super::units::{Measure, Unit, city_in};

pub(super) const VALUE: [&str; 4] = ["value", "amount", "quantity", "number"];
pub(super) const FROM: [&str; 4] = ["from", "from_unit", "source_unit", "unit_from"];
pub(super) const TO: [&str; 4] = ["to", "to_unit", "target_unit", "unit_to"];
pub(super) const INGREDIENT: [&str; 4] = ["ingredient", "of", "substance", "food"];
const ZONE: [&str; 4] = ["timezone", "time_zone", "tz", "zone"];
const PLACE: [&str; 4] = ["city", "place", "location", "where"];
pub(super) const SUM: [&str; 4] = ["expression", "calculation", "formula", "input"];

/// Something that a tool could do for the person.
#[derive(Debug, PartialEq)]
enum Wish {
    Convert(Conversion),
    Time { city: &'static str, zone: &'static str },
    Sum(String),
}

/// The tools to ask for now; none when it is time to answer.
pub(super) fn calls(turn: &Turn<'_>, asked: &Directives, tools: &[Offered]) -> Vec<ToolCall> {
    let natural = || wishes_in(&asked.rest).into_iter().filter_map(|wish| fulfil(&wish, tools));
    let bodies: Vec<_> = match asked.rounds.or(asked.parallel.map(|_| 1)) {
        Some(rounds) if turn.rounds < rounds && !tools.is_empty() => {
            let count = asked.parallel.unwrap_or(1).max(1);
            let usual = tools.iter().map(usual_call);
            let some: Vec<_> = natural().chain(usual).collect();
            some.iter().cycle().take(count).cloned().collect()
        }
        None if turn.rounds == 0 && !shaped(asked) => natural().collect(),
        _ => Vec::new(),
    };
    let id =
        |index: usize| format!("call_{:016x}", hash(&format!("{}/{}/{index}", turn.question, turn.rounds)));
    bodies
        .into_iter()
        .enumerate()
        .map(|(n, (name, arguments))| ToolCall::function(id(n), name, arguments))
        .collect()
}

/// Whether the person has said what the answer shall be.
fn shaped(asked: &Directives) -> bool {
    let text = asked.say.is_some() || asked.chars.is_some() || asked.empty;
    text || asked.fail.is_some() || asked.hang || asked.garbage || asked.break_at.is_some()
}

fn wishes_in(question: &str) -> Vec<Wish> {
    let lower = question.to_lowercase();
    let asks_time = [
        "what time",
        "time is it",
        "wie spät",
        "quelle heure",
        "qué hora",
        "che ore",
        "который час",
        "何時",
        "几点",
    ]
    .iter()
    .any(|words| lower.contains(words));
    let time = city_in(&lower).filter(|_| asks_time).map(|(city, zone)| Wish::Time { city, zone });
    let amount = conversion_in(question).map(Wish::Convert).or_else(|| sum_in(&lower).map(Wish::Sum));
    amount.into_iter().chain(time).collect()
}

/// Arithmetic in a text: the longest run of numbers and operators.
fn sum_in(text: &str) -> Option<String> {
    let part = |c: char| c.is_ascii_digit() || " +-*/×÷^().,%".contains(c);
    if let Some(share) = share_in(text) {
        return Some(share);
    }
    let runs = text.split(|c: char| !part(c)).map(|run| run.trim().trim_end_matches(['.', ',']).trim());
    let sums = runs.filter(|run| is_sum(run));
    sums.max_by_key(|run| run.len()).map(|run| run.replace('×', "*").replace('÷', "/"))
}

/// "15% of 80".
fn share_in(text: &str) -> Option<String> {
    let (before, after) = text.split_once("% of ")?;
    let digit = |c: &char| c.is_ascii_digit() || *c == '.';
    let share: String = before.chars().rev().take_while(digit).collect();
    let of: String = after.chars().take_while(digit).collect();
    let share: String = share.chars().rev().collect();
    let of = of.trim_end_matches('.');
    (!share.is_empty() && !of.is_empty()).then(|| format!("{share}% of {of}"))
}

/// "12*3" and "12 - 3", but neither "1/2" nor "2024-05-01".
fn is_sum(run: &str) -> bool {
    let numbers =
        run.split(|c: char| !c.is_ascii_digit() && c != '.').filter(|number| !number.is_empty()).count();
    let operator = run.contains(['+', '*', '×', '÷', '^']) || run.contains(" - ") || run.contains(" / ");
    numbers >= 2 && operator && run.starts_with(|c: char| c.is_ascii_digit() || c == '(')
}

/// The name and the arguments (JSON text) of the offered tool that fulfils a wish.
fn fulfil(wish: &Wish, tools: &[Offered]) -> Option<(String, String)> {
    let part = match wish {
        Wish::Convert(_) => "convert",
        Wish::Time { .. } => "time",
        Wish::Sum(_) => "calc",
    };
    let tool = tools.iter().find(|tool| tool.name.contains(part))?;
    let schema = &tool.parameters;
    let mut arguments = Map::new();
    match wish {
        Wish::Convert(wanted) => {
            put(&mut arguments, schema, &VALUE, number(wanted.value));
            put(&mut arguments, schema, &FROM, json!(unit_name(schema, &FROM, wanted.from)));
            put(&mut arguments, schema, &TO, json!(unit_name(schema, &TO, wanted.to)));
            if let Some(ingredient) = &wanted.ingredient {
                put(&mut arguments, schema, &INGREDIENT, json!(ingredient));
            }
        }
        Wish::Time { city, zone } => match property(schema, &ZONE) {
            Some(name) => drop(arguments.insert(name.to_owned(), json!(zone))),
            None => put(&mut arguments, schema, &PLACE, json!(city)),
        },
        Wish::Sum(sum) => put(&mut arguments, schema, &SUM, json!(sum)),
    }
    Some((tool.name.clone(), Value::Object(arguments).to_string()))
}

/// A call of a tool for no reason but a directive.
fn usual_call(tool: &Offered) -> (String, String) {
    let wish = ["How many grams is a cup of flour?", "What time is it in Tokyo?", "12 * 30"]
        .iter()
        .flat_map(|question| wishes_in(question))
        .find_map(|wish| fulfil(&wish, std::slice::from_ref(tool)));
    wish.unwrap_or_else(|| (tool.name.clone(), from_schema(&tool.parameters).to_string()))
}

/// Arguments made from nothing but what the schema requires.
fn from_schema(schema: &Value) -> Value {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let names = required.filter_map(Value::as_str);
    names.map(|name| (name.to_owned(), example_of(&schema["properties"][name]))).collect()
}

fn example_of(property: &Value) -> Value {
    let listed = property.get("enum").and_then(|list| list.get(0)).cloned();
    listed.unwrap_or_else(|| match property["type"].as_str() {
        Some("number" | "integer") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => json!("soup"),
    })
}

/// Which of the names the schema has.
fn property<'a>(schema: &Value, names: &[&'a str]) -> Option<&'a str> {
    names.iter().copied().find(|name| schema["properties"].get(name).is_some())
}

fn put(arguments: &mut Map<String, Value>, schema: &Value, names: &[&str], value: Value) {
    let name = property(schema, names).or(names.first().copied()).unwrap_or_default();
    arguments.insert(name.to_owned(), value);
}

/// The name of a unit that the schema lists, or its first.
fn unit_name(schema: &Value, property_names: &[&str], unit: &Unit) -> String {
    let listed =
        property(schema, property_names).and_then(|name| schema["properties"][name]["enum"].as_array());
    let known = |name: &&str| {
        listed.into_iter().flatten().filter_map(Value::as_str).find(|one| one.to_lowercase() == **name)
    };
    let usual = || match unit.measure {
        Measure::Heat => unit.names[0].to_uppercase(),
        _ => unit.names[0].to_owned(),
    };
    unit.names.iter().find_map(known).map_or_else(usual, str::to_owned)
}

/// Without a fraction where there is none.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 { json!(value as i64) } else { json!(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_found_and_dates_are_not() {
        assert_eq!(sum_in("what is 12*(3 + 4)?").as_deref(), Some("12*(3 + 4)"));
        assert_eq!(sum_in("how much is 7 × 8.").as_deref(), Some("7 * 8"));
        assert_eq!(sum_in("15% of 80?").as_deref(), Some("15% of 80"));
        for text in ["on 2024-05-01", "1/2 cup", "call 555-1234", "2 eggs, 3 onions", "+", ""] {
            assert_eq!(sum_in(text), None, "{text}");
        }
    }

    #[test]
    fn arguments_follow_the_schema_that_is_offered() {
        let schema = json!({"properties": {"amount": {}, "from_unit": {"enum": ["cups"]}, "to_unit": {"enum": ["grams"]}}});
        let tool = Offered { name: "convert".into(), parameters: schema };
        let wish = wishes_in("3 cups of rice in g").remove(0);
        let (_, arguments) = fulfil(&wish, &[tool]).expect("the tool fits");
        let arguments: Value = serde_json::from_str(&arguments).expect("JSON");
        assert_eq!(
            arguments,
            json!({"amount": 3, "from_unit": "cups", "to_unit": "grams", "ingredient": "rice"})
        );
    }

    #[test]
    fn degrees_have_capital_letters() {
        let tool = Offered { name: "convert_units".into(), parameters: json!({}) };
        let (_, arguments) = fulfil(&wishes_in("350°F to °C").remove(0), &[tool]).expect("the tool fits");
        let arguments: Value = serde_json::from_str(&arguments).expect("JSON");
        assert_eq!(arguments, json!({"value": 350, "from": "F", "to": "C"}));
    }

    #[test]
    fn an_unknown_tool_gets_what_its_schema_requires() {
        let schema = json!({"required": ["dish", "n"], "properties": {"dish": {"type": "string"}, "n": {"type": "integer"}}});
        let call = usual_call(&Offered { name: "menu".into(), parameters: schema });
        assert_eq!(call, ("menu".into(), r#"{"dish":"soup","n":1}"#.into()));
    }
}
