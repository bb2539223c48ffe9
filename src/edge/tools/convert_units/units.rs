//! The units.

/// Millilitres in a US cup.
pub(super) const ML_PER_CUP: f64 = 236.588_236_5;

/// Asks a scale for a value in another; an error is a sentence for the model.
type Turn = fn(f64) -> Result<f64, String>;

/// A unit of measure.
pub(super) struct Unit {
    /// As it is told.
    pub name: &'static str,
    aliases: &'static [&'static str],
    /// What it measures, and how much of it.
    pub scale: Scale,
}

/// What a unit measures.
#[derive(Clone, Copy)]
pub(super) enum Scale {
    /// A weight of so many grams.
    Grams(f64),
    /// A volume of so many millilitres.
    Millilitres(f64),
    /// A temperature.
    Temperature {
        /// To kelvin.
        to_kelvin: Turn,
        /// From kelvin.
        from_kelvin: Turn,
    },
}

const fn weight(name: &'static str, grams: f64, aliases: &'static [&'static str]) -> Unit {
    Unit { name, aliases, scale: Scale::Grams(grams) }
}

const fn volume(name: &'static str, millilitres: f64, aliases: &'static [&'static str]) -> Unit {
    Unit { name, aliases, scale: Scale::Millilitres(millilitres) }
}

const fn degrees(
    name: &'static str,
    aliases: &'static [&'static str],
    to_kelvin: Turn,
    from_kelvin: Turn,
) -> Unit {
    Unit { name, aliases, scale: Scale::Temperature { to_kelvin, from_kelvin } }
}

const UNITS: &[Unit] = &[
    weight("mg", 0.001, &["milligram", "milligramme"]),
    weight("g", 1.0, &["gram", "gramme", "gr"]),
    weight("kg", 1000.0, &["kilogram", "kilogramme", "kilo"]),
    weight("oz", 28.349_523_125, &["ounce"]),
    weight("lb", 453.592_37, &["pound", "lbs"]),
    weight("stick", 113.398_092_5, &["stick_of_butter", "sticks_of_butter", "butter_stick", "stick_butter"]),
    volume("ml", 1.0, &["millilitre", "milliliter", "cc"]),
    volume("cl", 10.0, &["centilitre", "centiliter"]),
    volume("dl", 100.0, &["decilitre", "deciliter"]),
    volume("l", 1000.0, &["litre", "liter", "ltr"]),
    volume("tsp", 4.928_921_593_75, &["teaspoon", "us_tsp", "us_teaspoon"]),
    volume("tbsp", 14.786_764_781_25, &["tablespoon", "tbs", "us_tbsp", "us_tablespoon"]),
    volume(
        "fl_oz",
        29.573_529_562_5,
        &["fluid_ounce", "floz", "us_fl_oz", "us_fluid_ounce", "fl_ounce", "fluid_oz"],
    ),
    volume("cup", ML_PER_CUP, &["us_cup", "c_us"]),
    volume("pint", 473.176_473, &["pt", "us_pint"]),
    volume("quart", 946.352_946, &["qt", "us_quart"]),
    volume("gallon", 3_785.411_784, &["gal", "us_gallon"]),
    volume("metric_tsp", 5.0, &["metric_teaspoon", "uk_tsp", "uk_teaspoon"]),
    volume("metric_tbsp", 15.0, &["metric_tablespoon", "uk_tbsp", "uk_tablespoon"]),
    volume("metric_cup", 250.0, &[]),
    volume("uk_fl_oz", 28.413_062_5, &["uk_fluid_ounce"]),
    volume("uk_cup", 284.130_625, &[]),
    volume("uk_pint", 568.261_25, &["uk_pt"]),
    volume("uk_quart", 1_136.522_5, &["uk_qt"]),
    volume("uk_gallon", 4546.09, &["uk_gal"]),
    degrees(
        "C",
        &["celsius", "centigrade", "degree_celsius", "degree_c", "deg_c"],
        |c| Ok(c + 273.15),
        |k| Ok(k - 273.15),
    ),
    degrees(
        "F",
        &["fahrenheit", "degree_fahrenheit", "degree_f", "deg_f"],
        |f| Ok(from_fahrenheit(f)),
        |k| Ok(to_fahrenheit(k)),
    ),
    degrees("K", &["kelvin"], Ok, Ok),
    degrees("gas_mark", &["gas", "gasmark", "uk_gas_mark"], from_gas_mark, to_gas_mark),
];

/// The unit that is meant by `text`: any case (but `T` is a tablespoon and `t` a teaspoon), with
/// or without plural, full stops and degree signs.
pub(super) fn find(text: &str) -> Option<&'static Unit> {
    let name = match text {
        "T" => "tbsp".to_owned(),
        "t" => "tsp".to_owned(),
        _ => normal(text),
    };
    let singular = name.strip_suffix('s').unwrap_or(&name);
    named(&name).or_else(|| named(singular))
}

fn named(name: &str) -> Option<&'static Unit> {
    UNITS.iter().find(|unit| unit.name.eq_ignore_ascii_case(name) || unit.aliases.contains(&name))
}

fn normal(text: &str) -> String {
    let plain = text.to_lowercase().replace(['.', '°', 'º'], "");
    let words: Vec<&str> = plain.split([' ', '_', '-', '\t']).filter(|word| !word.is_empty()).collect();
    let joined =
        words.join("_").replace("imperial_", "uk_").replace("british_", "uk_").replace("degrees_", "degree_");
    joined.replace("marks", "mark")
}

/// All names, for an error.
pub(super) fn names() -> String {
    UNITS.iter().map(|unit| unit.name).collect::<Vec<_>>().join(", ")
}

fn from_fahrenheit(fahrenheit: f64) -> f64 {
    (fahrenheit - 32.0) / 1.8 + 273.15
}

fn to_fahrenheit(kelvin: f64) -> f64 {
    (kelvin - 273.15) * 1.8 + 32.0
}

const MARKS: &str = "a gas mark is 0.25, 0.5 or a whole number from 1 to 10 (107 to 260 C)";

fn from_gas_mark(mark: f64) -> Result<f64, String> {
    let fahrenheit = match mark {
        0.25 => 225.0,
        0.5 => 250.0,
        whole if (1.0..=10.0).contains(&whole) && whole.fract() == 0.0 => 250.0 + 25.0 * whole,
        _ => return Err(format!("there is no gas mark {mark}: {MARKS}")),
    };
    Ok(from_fahrenheit(fahrenheit))
}

fn to_gas_mark(kelvin: f64) -> Result<f64, String> {
    match to_fahrenheit(kelvin) {
        low if (212.5..237.5).contains(&low) => Ok(0.25),
        low if (237.5..262.5).contains(&low) => Ok(0.5),
        oven if (262.5..512.5).contains(&oven) => Ok(((oven - 250.0) / 25.0).round().clamp(1.0, 10.0)),
        _ => Err(format!("{:.0} C has no gas mark: {MARKS}", kelvin - 273.15)),
    }
}
