//! Kitchen measures, one into the other.

mod ingredients;
mod units;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use self::ingredients::Ingredient;
use self::units::{Scale, Unit};
use super::{Tool, ToolError, arguments};
use crate::domain::chat::ToolSpec;

/// No kitchen has more of anything, in the unit that is asked about.
const MOST: f64 = 1e9;

/// The tool `convert_units`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConvertUnits;

impl Tool for ConvertUnits {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "convert_units",
            description: "Converts kitchen measures: weights (g, kg, mg, oz, lb, stick of butter), volumes (ml, cl, \
                dl, l, tsp, tbsp, fl_oz, cup, pint, quart, gallon; US unless 'uk_' or 'metric_' stands before), \
                and temperatures (C, F, K, gas_mark). Between a weight and a volume it needs the ingredient.",
            parameters: json!({
                "type": "object",
                "properties": {
                    "value": {"type": "number", "description": "How much, such as 2.5. Negative only for temperatures."},
                    "from": {"type": "string", "description": "The unit of 'value', such as 'cup', 'oz', 'uk_pint' or 'F'."},
                    "to": {"type": "string", "description": "The unit that is wanted, such as 'g', 'ml' or 'C'."},
                    "ingredient": {
                        "type": "string",
                        "description": "What is measured, such as 'flour' or 'honey'. Needed between weight and volume only."
                    }
                },
                "required": ["value", "from", "to"],
                "additionalProperties": false
            }),
        }
    }

    fn call(&self, arguments: Value) -> BoxFuture<'static, Result<String, ToolError>> {
        Box::pin(std::future::ready(convert(&arguments)))
    }
}

fn convert(arguments: &Value) -> Result<String, ToolError> {
    let value = arguments::number(arguments, "value")?;
    let from = unit(arguments, "from")?;
    let to = unit(arguments, "to")?;
    let name = arguments::optional_text(arguments, "ingredient")?;
    match (from.scale, to.scale) {
        (Scale::Temperature { .. }, Scale::Temperature { .. }) => temperature(value, from, to),
        (Scale::Grams(each), Scale::Grams(other)) | (Scale::Millilitres(each), Scale::Millilitres(other)) => {
            let amount = checked(value)? * each / other;
            Ok(format!("{value} {} = {} {}", from.name, rounded(amount, 4), to.name))
        }
        (Scale::Grams(each), Scale::Millilitres(other)) => {
            let (ingredient, density) = density(name, from, to)?;
            Ok(about(value, from, checked(value)? * each / density / other, to, ingredient))
        }
        (Scale::Millilitres(each), Scale::Grams(other)) => {
            let (ingredient, density) = density(name, from, to)?;
            Ok(about(value, from, checked(value)? * each * density / other, to, ingredient))
        }
        _ => Err(ToolError(format!(
            "'{}' can't be converted to '{}': one is a temperature",
            from.name, to.name
        ))),
    }
}

fn about(value: f64, from: &Unit, amount: f64, to: &Unit, ingredient: &str) -> String {
    format!("{value} {} of {ingredient} = about {} {}", from.name, rounded(amount, 3), to.name)
}

fn unit(arguments: &Value, name: &str) -> Result<&'static Unit, ToolError> {
    let text = arguments::text(arguments, name)?;
    units::find(text).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        ToolError(format!("'{name}': there is no unit '{shown}'; known are {}", units::names()))
    })
}

fn checked(value: f64) -> Result<f64, ToolError> {
    if (0.0..=MOST).contains(&value) {
        return Ok(value);
    }
    Err(ToolError(format!("'value' must be between 0 and {MOST} for a weight or volume, not {value}")))
}

/// The ingredient's name and its density in g/ml. A stick is always butter.
fn density(name: Option<&str>, from: &Unit, to: &Unit) -> Result<(&'static str, f64), ToolError> {
    let stick = [from, to].iter().any(|unit| unit.name == "stick");
    let Some(name) = name.or(stick.then_some("butter")) else {
        let why = format!(
            "from '{}' to '{}' needs 'ingredient'; known are {}",
            from.name,
            to.name,
            ingredients::names()
        );
        return Err(ToolError(why));
    };
    let Ingredient { names, grams_per_cup } = ingredients::find(name).ok_or_else(|| {
        let shown: String = name.chars().take(40).collect();
        ToolError(format!("the density of '{shown}' is not known; known are {}", ingredients::names()))
    })?;
    Ok((names[0], grams_per_cup / units::ML_PER_CUP))
}

fn temperature(value: f64, from: &Unit, to: &Unit) -> Result<String, ToolError> {
    let (Scale::Temperature { to_kelvin, .. }, Scale::Temperature { from_kelvin, .. }) =
        (from.scale, to.scale)
    else {
        return Err(ToolError("both units must be temperatures".to_owned()));
    };
    let kelvin = to_kelvin(value).map_err(ToolError)?;
    if !(0.0..=MOST).contains(&kelvin) {
        return Err(ToolError(format!(
            "{value} {} is no temperature: 'value' must lie above absolute zero (-273.15 C) and below {MOST} K",
            from.name
        )));
    }
    let degrees = from_kelvin(kelvin).map_err(ToolError)?;
    Ok(format!("{value} {} = {} {}", from.name, (degrees * 100.0).round() / 100.0, to.name))
}

/// So many digits as make sense in a kitchen, but all digits before the point.
fn rounded(amount: f64, digits: i32) -> f64 {
    if amount == 0.0 {
        return 0.0;
    }
    let places = (digits - 1 - amount.log10().floor() as i32).clamp(0, 15);
    let scale = 10_f64.powi(places);
    (amount * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(value: f64, from: &str, to: &str, ingredient: Option<&str>) -> Result<String, String> {
        let arguments = json!({"value": value, "from": from, "to": to, "ingredient": ingredient});
        convert(&arguments).map_err(|error| error.0)
    }

    #[test]
    fn weights_and_volumes() {
        for (value, from, to, expected) in [
            (1.0, "lb", "g", "1 lb = 453.6 g"),
            (8.0, "ounces", "grams", "8 oz = 226.8 g"),
            (2.0, "cups", "ml", "2 cup = 473.2 ml"),
            (1.0, "metric cup", "ml", "1 metric_cup = 250 ml"),
            (1.0, "imperial pint", "ml", "1 uk_pint = 568.3 ml"),
            (1.0, "Gallon", "l", "1 gallon = 3.785 l"),
            (1.0, "UK gallon", "litres", "1 uk_gallon = 4.546 l"),
            (3.0, "tsp", "T", "3 tsp = 1 tbsp"),
            (3.0, "t", "tbsp.", "3 tsp = 1 tbsp"),
            (1.0, "fl. oz", "ml", "1 fl_oz = 29.57 ml"),
            (1.0, "sticks of butter", "g", "1 stick = 113.4 g"),
            (2.5, "dl", "cl", "2.5 dl = 25 cl"),
            (1_234_567.0, "g", "kg", "1234567 g = 1235 kg"),
            (0.0, "g", "oz", "0 g = 0 oz"),
        ] {
            assert_eq!(converted(value, from, to, None).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn temperatures() {
        for (value, from, to, expected) in [
            (350.0, "F", "C", "350 F = 176.67 C"),
            (180.0, "°C", "fahrenheit", "180 C = 356 F"),
            (-40.0, "celsius", "F", "-40 C = -40 F"),
            (0.0, "K", "C", "0 K = -273.15 C"),
            (4.0, "gas mark", "F", "4 gas_mark = 350 F"),
            (180.0, "C", "gas_mark", "180 C = 4 gas_mark"),
            (110.0, "C", "gas mark", "110 C = 0.25 gas_mark"),
        ] {
            assert_eq!(converted(value, from, to, None).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn weight_and_volume_meet_in_an_ingredient() {
        for (value, from, to, ingredient, expected) in [
            (1.0, "cup", "g", Some("all-purpose flour"), "1 cup of flour = about 125 g"),
            (2.0, "cups", "g", Some("Granulated Sugar"), "2 cup of sugar = about 400 g"),
            (500.0, "g", "ml", Some("water"), "500 g of water = about 500 ml"),
            (1.0, "tbsp", "g", Some("honey"), "1 tbsp of honey = about 21.3 g"),
            (1.0, "stick", "tbsp", None, "1 stick of butter = about 7.99 tbsp"),
            (1.0, "cup", "oz", Some("Rolled oats, dry"), "1 cup of oats = about 3.17 oz"),
            (1.0, "cup", "g", Some("chopped walnuts"), "1 cup of walnuts = about 120 g"),
        ] {
            assert_eq!(converted(value, from, to, ingredient).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_not_known_is_answered_with_what_is() {
        for (from, to, ingredient, why) in [
            ("furlong", "g", None, "no unit 'furlong'; known are mg, g, kg"),
            ("g", "", None, "'to' is empty"),
            ("cup", "g", None, "needs 'ingredient'; known are water, "),
            ("cup", "g", Some("unobtainium"), "density of 'unobtainium' is not known; known are water, "),
            ("cup", "C", None, "one is a temperature"),
        ] {
            let error = converted(1.0, from, to, ingredient).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn senseless_values_are_refused() {
        for (value, from, to, why) in [
            (-1.0, "g", "kg", "between 0 and 1000000000"),
            (1e300, "cup", "ml", "between 0 and 1000000000"),
            (-300.0, "C", "F", "absolute zero"),
            (1e300, "C", "K", "below 1000000000"),
            (0.0, "C", "gas_mark", "gas mark"),
            (12.0, "gas_mark", "C", "gas mark"),
        ] {
            let error = converted(value, from, to, None).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn bad_arguments_are_explained() {
        for (arguments, why) in [
            (json!({}), "'value' is missing"),
            (
                json!({"value": "many", "from": "g", "to": "kg"}),
                "'value' must be a finite number, not \"many\"",
            ),
            (json!({"value": "NaN", "from": "g", "to": "kg"}), "must be a finite number"),
            (json!({"value": "inf", "from": "g", "to": "kg"}), "must be a finite number"),
            (json!({"value": [1], "from": "g", "to": "kg"}), "must be a finite number"),
            (json!({"value": 1, "to": "kg"}), "'from' is missing"),
            (json!({"value": 1, "from": 3, "to": "kg"}), "'from' must be a text"),
            (json!({"value": 1, "from": "g", "to": "ml", "ingredient": 5}), "'ingredient' must be a text"),
        ] {
            let error = convert(&arguments).unwrap_err();
            assert!(error.0.contains(why), "{arguments}: {error}");
        }
        assert_eq!(
            convert(&json!({"value": "1.5", "from": "kg", "to": "g"})).as_deref(),
            Ok("1.5 kg = 1500 g")
        );
    }
}
