//! What a US cup of an ingredient weighs, as cooks measure it: spooned, not packed, unless its
//! name says so.

/// An ingredient.
pub(super) struct Ingredient {
    /// Its name, then other names.
    pub names: &'static [&'static str],
    /// Grams in a US cup.
    pub grams_per_cup: f64,
}

const fn cup(grams_per_cup: f64, names: &'static [&'static str]) -> Ingredient {
    Ingredient { names, grams_per_cup }
}

const INGREDIENTS: &[Ingredient] = &[
    cup(236.6, &["water"]),
    cup(244.0, &["milk", "whole milk", "skim milk", "skimmed milk"]),
    cup(238.0, &["cream", "heavy cream", "double cream", "whipping cream", "single cream"]),
    cup(243.0, &["buttermilk"]),
    cup(245.0, &["yogurt", "yoghurt", "greek yogurt", "greek yoghurt"]),
    cup(230.0, &["sour cream", "creme fraiche", "crème fraîche"]),
    cup(306.0, &["condensed milk", "sweetened condensed milk"]),
    cup(230.0, &["coconut milk"]),
    cup(227.0, &["butter"]),
    cup(227.0, &["margarine"]),
    cup(218.0, &["oil", "vegetable oil", "sunflower oil", "canola oil", "rapeseed oil", "cooking oil"]),
    cup(216.0, &["olive oil", "extra virgin olive oil"]),
    cup(218.0, &["coconut oil"]),
    cup(205.0, &["shortening", "lard"]),
    cup(340.0, &["honey"]),
    cup(322.0, &["maple syrup"]),
    cup(340.0, &["corn syrup", "golden syrup", "syrup"]),
    cup(337.0, &["molasses", "treacle"]),
    cup(
        200.0,
        &["sugar", "granulated sugar", "white sugar", "caster sugar", "superfine sugar", "cane sugar"],
    ),
    cup(213.0, &["brown sugar", "light brown sugar", "dark brown sugar", "muscovado sugar"]),
    cup(120.0, &["powdered sugar", "icing sugar", "confectioners sugar", "confectioner's sugar"]),
    cup(
        125.0,
        &[
            "flour",
            "all purpose flour",
            "plain flour",
            "white flour",
            "wheat flour",
            "self raising flour",
            "self rising flour",
        ],
    ),
    cup(127.0, &["bread flour", "strong flour"]),
    cup(120.0, &["whole wheat flour", "wholemeal flour"]),
    cup(114.0, &["cake flour", "pastry flour"]),
    cup(103.0, &["rye flour"]),
    cup(158.0, &["rice flour"]),
    cup(96.0, &["almond flour", "ground almonds", "almond meal"]),
    cup(128.0, &["cornstarch", "cornflour", "corn starch"]),
    cup(157.0, &["cornmeal", "polenta"]),
    cup(167.0, &["semolina"]),
    cup(85.0, &["cocoa", "cocoa powder"]),
    cup(
        185.0,
        &[
            "rice",
            "white rice",
            "basmati rice",
            "jasmine rice",
            "long grain rice",
            "arborio rice",
            "dry rice",
        ],
    ),
    cup(90.0, &["oats", "rolled oats", "oatmeal", "porridge oats"]),
    cup(170.0, &["quinoa"]),
    cup(173.0, &["couscous"]),
    cup(192.0, &["lentils", "red lentils", "green lentils", "dry lentils", "dried lentils"]),
    cup(110.0, &["breadcrumbs", "bread crumbs", "dry breadcrumbs", "dried breadcrumbs"]),
    cup(288.0, &["salt", "table salt", "fine salt", "sea salt"]),
    cup(240.0, &["coarse salt", "kosher salt"]),
    cup(192.0, &["baking powder"]),
    cup(221.0, &["baking soda", "bicarbonate of soda"]),
    cup(150.0, &["yeast", "instant yeast", "active yeast", "dry yeast", "dried yeast", "active dry yeast"]),
    cup(208.0, &["vanilla extract", "vanilla"]),
    cup(258.0, &["peanut butter"]),
    cup(320.0, &["jam", "marmalade", "jelly"]),
    cup(170.0, &["chocolate chips"]),
    cup(150.0, &["raisins", "sultanas"]),
    cup(120.0, &["walnuts", "pecans"]),
    cup(143.0, &["almonds", "hazelnuts"]),
    cup(100.0, &["parmesan", "grated parmesan"]),
    cup(113.0, &["cheddar", "grated cheese", "shredded cheese"]),
    cup(232.0, &["cream cheese"]),
    cup(255.0, &["soy sauce"]),
    cup(239.0, &["vinegar", "white vinegar", "cider vinegar"]),
    cup(244.0, &["lemon juice", "lime juice", "orange juice"]),
    cup(240.0, &["stock", "broth"]),
];

/// How it was treated hardly changes what it weighs.
const TREATMENTS: &[&str] = &[
    "fresh",
    "melted",
    "softened",
    "unsalted",
    "salted",
    "cold",
    "warm",
    "sifted",
    "chopped",
    "packed",
    "organic",
    "raw",
    "uncooked",
    "of",
    "the",
    "unsweetened",
    "natural",
];

/// The ingredient that is meant: any case, plural, with or without how it was treated. What comes
/// after a comma is ignored.
pub(super) fn find(text: &str) -> Option<&'static Ingredient> {
    let name = text.split(',').next().unwrap_or_default();
    let (all, bare) = (normal(name, &[]), normal(name, TREATMENTS));
    let is_named = |wanted: &str| {
        INGREDIENTS.iter().find(|known| {
            known.names.iter().any(|name| normal(name, &[]) == wanted || normal(name, TREATMENTS) == wanted)
        })
    };
    is_named(&all).or_else(|| is_named(&bare).filter(|_| !bare.is_empty()))
}

fn normal(name: &str, without: &[&str]) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|letter: char| !letter.is_alphanumeric() && letter != '\'');
    let kept = words.filter(|word| !word.is_empty() && !without.contains(word));
    kept.map(|word| word.strip_suffix('s').unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

/// All names (the first of each), for an error.
pub(super) fn names() -> String {
    INGREDIENTS.iter().map(|known| known.names[0]).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_own_ingredient() {
        for known in INGREDIENTS {
            for name in known.names {
                let found = find(name).map(|found| found.names[0]);
                assert_eq!(found, Some(known.names[0]), "{name}");
            }
        }
    }

    #[test]
    fn densities_are_those_of_food() {
        assert!(INGREDIENTS.iter().all(|known| (60.0..400.0).contains(&known.grams_per_cup)));
    }
}
