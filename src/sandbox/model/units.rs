//! Units, ingredients and cities as people write them.

/// What a unit measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Mass,
    Volume,
    Heat,
}

use Measure::*;

/// A unit: the name that tools get (the first), and how people write it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) measure: Measure,
    /// How an English sentence says it: one of it, and several.
    pub(super) spoken: (&'static str, &'static str),
    /// In lower case, in the order in which a tool's schema is searched for them.
    pub(super) names: &'static [&'static str],
}

const fn unit(
    measure: Measure,
    one: &'static str,
    many: &'static str,
    names: &'static [&'static str],
) -> Unit {
    Unit { measure, spoken: (one, many), names }
}

#[rustfmt::skip]
const UNITS: &[Unit] = &[
    unit(Mass, "1 g", "g", &["g", "gram", "grams", "gramm", "gramme", "grammes", "gramos", "grammi", "gramas", "грамм", "граммов", "克", "グラム", "غرام"]),
    unit(Mass, "1 kg", "kg", &["kg", "kilogram", "kilograms", "kilo", "kilos", "kilogramm"]),
    unit(Mass, "an ounce", "ounces", &["oz", "ounce", "ounces", "unze", "unzen", "onces", "onzas"]),
    unit(Mass, "a pound", "pounds", &["lb", "pound", "pounds", "lbs", "pfund"]),
    unit(Volume, "a cup", "cups", &["cup", "cups", "tasse", "tassen", "tasses", "taza", "tazas", "tazza", "tazze", "xícara", "xícaras", "стакан", "стакане", "чашка"]),
    unit(Volume, "a tablespoon", "tablespoons", &["tbsp", "tablespoon", "tablespoons", "el", "esslöffel"]),
    unit(Volume, "a teaspoon", "teaspoons", &["tsp", "teaspoon", "teaspoons", "tl", "teelöffel"]),
    unit(Volume, "1 ml", "ml", &["ml", "milliliter", "milliliters", "millilitre", "millilitres"]),
    unit(Volume, "a litre", "litres", &["l", "liter", "liters", "litre", "litres", "litros", "litri"]),
    unit(Volume, "a pint", "pints", &["pint", "pints", "pt"]),
    unit(Volume, "a quart", "quarts", &["quart", "quarts", "qt"]),
    unit(Volume, "a gallon", "gallons", &["gallon", "gallons", "gal"]),
    unit(Heat, "1 °F", "°F", &["f", "°f", "fahrenheit"]),
    unit(Heat, "1 °C", "°C", &["c", "°c", "celsius", "centigrade"]),
];

/// The unit that a word (in lower case) names.
pub(super) fn unit_of(word: &str) -> Option<&'static Unit> {
    UNITS.iter().find(|unit| unit.names.contains(&word))
}

const INGREDIENTS: &[(&str, &str)] = &[
    ("mehl", "flour"),
    ("farine", "flour"),
    ("harina", "flour"),
    ("farina", "flour"),
    ("farinha", "flour"),
    ("муки", "flour"),
    ("zucker", "sugar"),
    ("sucre", "sugar"),
    ("azúcar", "sugar"),
    ("zucchero", "sugar"),
    ("сахара", "sugar"),
    ("beurre", "butter"),
    ("mantequilla", "butter"),
    ("burro", "butter"),
    ("reis", "rice"),
    ("riz", "rice"),
    ("arroz", "rice"),
    ("riso", "rice"),
    ("milch", "milk"),
    ("lait", "milk"),
    ("leche", "milk"),
    ("latte", "milk"),
    ("honig", "honey"),
    ("miel", "honey"),
];

/// An ingredient in English, the language of tools.
pub(super) fn in_english(ingredient: &str) -> &str {
    INGREDIENTS.iter().find(|(name, _)| *name == ingredient).map_or(ingredient, |(_, english)| english)
}

const CITIES: &[(&str, &str)] = &[
    ("new york", "America/New_York"),
    ("los angeles", "America/Los_Angeles"),
    ("san francisco", "America/Los_Angeles"),
    ("chicago", "America/Chicago"),
    ("toronto", "America/Toronto"),
    ("mexico city", "America/Mexico_City"),
    ("são paulo", "America/Sao_Paulo"),
    ("sao paulo", "America/Sao_Paulo"),
    ("buenos aires", "America/Argentina/Buenos_Aires"),
    ("london", "Europe/London"),
    ("paris", "Europe/Paris"),
    ("berlin", "Europe/Berlin"),
    ("vienna", "Europe/Vienna"),
    ("wien", "Europe/Vienna"),
    ("zürich", "Europe/Zurich"),
    ("zurich", "Europe/Zurich"),
    ("rome", "Europe/Rome"),
    ("roma", "Europe/Rome"),
    ("madrid", "Europe/Madrid"),
    ("lisbon", "Europe/Lisbon"),
    ("istanbul", "Europe/Istanbul"),
    ("moscow", "Europe/Moscow"),
    ("москве", "Europe/Moscow"),
    ("cairo", "Africa/Cairo"),
    ("lagos", "Africa/Lagos"),
    ("nairobi", "Africa/Nairobi"),
    ("dubai", "Asia/Dubai"),
    ("mumbai", "Asia/Kolkata"),
    ("delhi", "Asia/Kolkata"),
    ("bangkok", "Asia/Bangkok"),
    ("singapore", "Asia/Singapore"),
    ("beijing", "Asia/Shanghai"),
    ("shanghai", "Asia/Shanghai"),
    ("北京", "Asia/Shanghai"),
    ("hong kong", "Asia/Hong_Kong"),
    ("seoul", "Asia/Seoul"),
    ("tokyo", "Asia/Tokyo"),
    ("東京", "Asia/Tokyo"),
    ("sydney", "Australia/Sydney"),
    ("auckland", "Pacific/Auckland"),
];

/// The city that a text in lower case names, with its time zone.
pub(super) fn city_in(text: &str) -> Option<(&'static str, &'static str)> {
    CITIES.iter().copied().find(|(city, _)| text.contains(city))
}
