//! Which entities may stand in which, and what Telegram makes of those that may not.
//!
//! The Bot API's documentation ("Formatting options"): entities that share characters must contain
//! one another; `pre` and `code` can't contain others; quotes can't be nested; styles may contain
//! and be part of all but `pre` and `code`; all others can't contain each other.

use super::entities::{Entity, Sort};

/// The outer ones first.
pub(super) fn sorted(mut entities: Vec<Entity>) -> Vec<Entity> {
    entities.sort_by_key(|entity| (entity.from, std::cmp::Reverse(entity.to), entity.sort));
    entities
}

/// The first violation among sorted entities, in words.
pub(super) fn violation(entities: &[Entity]) -> Option<String> {
    let mut open: Vec<&Entity> = Vec::new();
    for entity in entities {
        open.retain(|outer| outer.to > entity.from);
        for outer in &open {
            if let Some(why) = clash(outer, entity) {
                return Some(format!("{why}: {} and {}", outer.named(), entity.named()));
            }
        }
        open.push(entity);
    }
    None
}

/// Why `inner`, which begins within `outer`, may not.
fn clash(outer: &Entity, inner: &Entity) -> Option<&'static str> {
    if inner.to > outer.to {
        return Some("entities overlap");
    }
    match (outer.sort, inner.sort) {
        (Sort::Code, _) => Some("entity inside code"),
        (Sort::Link | Sort::Style, Sort::Code) => Some("code inside another entity"),
        (Sort::Quote, Sort::Quote) => Some("nested blockquote"),
        (Sort::Link, Sort::Link) => Some("link inside a link"),
        (Sort::Link, Sort::Quote) => Some("blockquote inside a link"),
        (Sort::Style, Sort::Style) if outer.kind == inner.kind => Some("style inside itself"),
        _ => None,
    }
}

/// What Telegram keeps: of quotes and of links and code the first of those that overlap, and
/// styles in pieces that fit between the others.
pub(super) fn fixed(entities: Vec<Entity>) -> Vec<Entity> {
    let entities = sorted(entities);
    if violation(&entities).is_none() {
        return entities;
    }
    let (styles, firm): (Vec<_>, Vec<_>) =
        entities.into_iter().partition(|entity| entity.sort == Sort::Style);
    let (quotes, links): (Vec<_>, Vec<_>) = firm.into_iter().partition(|entity| entity.sort == Sort::Quote);
    let quotes = apart(quotes);
    let mut firm = apart(links);
    firm.retain(|entity| quotes.iter().all(|quote| is_apart(quote, entity) || contains(quote, entity)));
    firm.extend(quotes);
    let styles = pieces(styles, &firm);
    firm.extend(styles);
    sorted(firm)
}

fn contains(outer: &Entity, inner: &Entity) -> bool {
    outer.from <= inner.from && inner.to <= outer.to
}

fn is_apart(one: &Entity, other: &Entity) -> bool {
    one.to <= other.from || other.to <= one.from
}

/// Drops what begins before the one before has ended.
fn apart(mut entities: Vec<Entity>) -> Vec<Entity> {
    let mut end = 0;
    entities.retain(|entity| {
        let fits = entity.from >= end;
        end = if fits { entity.to } else { end };
        fits
    });
    entities
}

/// Styles, cut where another begins and where anything firm begins or ends; none in code.
fn pieces(styles: Vec<Entity>, firm: &[Entity]) -> Vec<Entity> {
    let styles = merged(styles);
    let starts = styles.iter().map(|style| style.from);
    let edges = firm.iter().flat_map(|entity| [entity.from, entity.to]);
    let mut cuts: Vec<usize> = starts.chain(edges).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let in_code =
        |piece: &Entity| firm.iter().any(|entity| entity.sort == Sort::Code && contains(entity, piece));
    let all = styles.iter().flat_map(|style| cut(style, &cuts));
    all.filter(|piece| !in_code(piece)).collect()
}

/// The same style twice, overlapping or touching, is one.
fn merged(styles: Vec<Entity>) -> Vec<Entity> {
    let mut merged: Vec<Entity> = Vec::new();
    for style in styles {
        match merged.iter_mut().rfind(|before| before.kind == style.kind) {
            Some(before) if style.from <= before.to => before.to = before.to.max(style.to),
            _ => merged.push(style),
        }
    }
    merged
}

fn cut(style: &Entity, cuts: &[usize]) -> Vec<Entity> {
    let inner = cuts.iter().copied().filter(|at| (style.from + 1..style.to).contains(at));
    let edges: Vec<usize> = std::iter::once(style.from).chain(inner).chain([style.to]).collect();
    edges.windows(2).map(|pair| Entity { from: pair[0], to: pair[1], ..style.clone() }).collect()
}

#[cfg(test)]
#[path = "nesting_tests.rs"]
mod tests;
