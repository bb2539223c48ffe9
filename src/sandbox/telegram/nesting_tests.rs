//! What Telegram makes of entities that may not stand as they are.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn entity(kind: &str, from: usize, to: usize) -> Entity {
    let sort = match kind {
        "blockquote" => Sort::Quote,
        "code" | "pre" => Sort::Code,
        "text_link" => Sort::Link,
        _ => Sort::Style,
    };
    Entity { kind: kind.to_owned(), sort, from, to, more: None }
}

fn all(list: &[(&str, usize, usize)]) -> Vec<Entity> {
    list.iter().map(|(kind, from, to)| entity(kind, *from, *to)).collect()
}

#[track_caller]
fn becomes(before: &[(&str, usize, usize)], after: &[(&str, usize, usize)]) {
    assert_eq!(fixed(all(before)), all(after));
}

#[test]
fn what_is_well_stays() {
    let well = [("blockquote", 0, 20), ("bold", 0, 9), ("text_link", 0, 5), ("code", 10, 12)];
    becomes(&well, &well);
}

#[test]
fn styles_that_overlap_are_split() {
    becomes(&[("bold", 0, 5), ("italic", 3, 8)], &[("bold", 0, 3), ("italic", 3, 8), ("bold", 3, 5)]);
}

#[test]
fn the_same_style_twice_is_one() {
    becomes(&[("bold", 0, 5), ("bold", 3, 8)], &[("bold", 0, 8)]);
}

#[test]
fn styles_leave_code_out() {
    becomes(&[("bold", 0, 9), ("code", 3, 5)], &[("bold", 0, 3), ("code", 3, 5), ("bold", 5, 9)]);
    becomes(&[("code", 0, 9), ("bold", 3, 5)], &[("code", 0, 9)]);
}

#[test]
fn of_links_and_of_quotes_the_first_stays() {
    becomes(
        &[("text_link", 0, 5), ("code", 3, 8), ("text_link", 5, 6)],
        &[("text_link", 0, 5), ("text_link", 5, 6)],
    );
    becomes(&[("blockquote", 0, 5), ("blockquote", 1, 3), ("text_link", 4, 8)], &[("blockquote", 0, 5)]);
}

fn any() -> impl Strategy<Value = Vec<Entity>> {
    let kind = prop::sample::select(vec!["bold", "italic", "spoiler", "code", "text_link", "blockquote"]);
    let one = (kind, 0..30usize, 1..12usize);
    vec(one.prop_map(|(kind, from, length)| entity(kind, from, from + length)), 0..12)
}

proptest! {
    #[test]
    fn what_was_fixed_is_well_and_stays(entities in any()) {
        let once = fixed(entities);
        prop_assert_eq!(violation(&once), None);
        prop_assert_eq!(fixed(once.clone()), once);
    }

    /// No character gets a style that it did not have.
    #[test]
    fn fixing_adds_nothing(entities in any()) {
        for piece in fixed(entities.clone()) {
            let had = |at: usize| {
                let covers = |entity: &&Entity| entity.kind == piece.kind && (entity.from..entity.to).contains(&at);
                entities.iter().any(|entity| covers(&entity))
            };
            prop_assert!((piece.from..piece.to).all(had), "{:?}", piece);
        }
    }
}
