//! Entities: what is refused, what is cut, what is dropped.

use serde_json::{Value, json};

use super::*;

fn entity(kind: &str, offset: i64, length: i64) -> Value {
    json!({"type": kind, "offset": offset, "length": length})
}

fn link(offset: i64, length: i64, url: &str) -> Value {
    json!({"type": "text_link", "offset": offset, "length": length, "url": url})
}

fn kept(text: &str, list: &[Value]) -> Vec<Value> {
    checked(text, list.to_vec(), EntityRules::Telegram).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn refused(rules: EntityRules, text: &str, list: &[Value], expected: &str) {
    let error = checked(text, list.to_vec(), rules).expect_err(expected);
    assert_eq!(error.description, format!("Bad Request: {expected}"));
}

#[test]
fn telegram_refuses_with_its_own_words() {
    for (text, entity, expected) in [
        ("hello", entity("bold", 100, 1), "entity begins after the end of the text at UTF-16 offset 100"),
        (
            "hello",
            entity("bold", 0, 100),
            "entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 100",
        ),
        ("hello", entity("bold", -1, 1), "receive an entity with incorrect offset -1"),
        ("hello", entity("bold", 0, 1_000_001), "receive an entity with incorrect length 1000001"),
        ("hello", entity("shiny", 0, 1), "can't parse MessageEntity: Unsupported type specified"),
        ("hello", json!("bold"), "can't parse MessageEntity: expected an Object"),
        ("hello", json!({"type": "bold"}), "can't parse MessageEntity: Can't find field \"offset\""),
        ("a🍳b", entity("bold", 2, 2), "entity begins in a middle of a UTF-16 symbol at byte offset 5"),
        (
            "a🍳",
            entity("bold", 0, 2),
            "entity beginning at UTF-16 offset 0 ends in a middle of a UTF-16 symbol at byte offset 5",
        ),
        ("click", link(0, 5, "not-a-url"), "entity URL 'not-a-url' is invalid: Wrong HTTP URL"),
        ("click", link(0, 5, ""), "entity URL '' is invalid: URL host is empty"),
        ("click", entity("text_link", 0, 5), "entity URL '' is invalid: URL host is empty"),
        ("click", link(0, 5, "ftp://a.b"), "entity URL 'ftp://a.b' is invalid: Unsupported URL protocol"),
        ("user", entity("text_mention", 0, 4), "user not found"),
        (
            "x",
            json!({"type": "custom_emoji", "offset": 0, "length": 1, "custom_emoji_id": "x"}),
            "can't parse MessageEntity: Field \"custom_emoji_id\" must be a valid Number",
        ),
        (
            "x",
            json!({"type": "pre", "offset": 0, "length": 1, "language": 7}),
            "can't parse MessageEntity: Field \"language\" must be of type String",
        ),
    ] {
        refused(EntityRules::Telegram, text, std::slice::from_ref(&entity), expected);
    }
}

#[test]
fn telegram_keeps_what_is_well_and_counts_utf16() {
    let rust = json!({"type": "pre", "offset": 4, "length": 2, "language": "rust"});
    let list = [entity("bold", 0, 3), rust.clone(), link(7, 1, "https://a.b/?c=d")];
    assert_eq!(kept("a🍳 fn x", &list), list);
    let strict = checked("a🍳 fn x", list.to_vec(), EntityRules::Strict);
    assert_eq!(strict, Ok(list.to_vec()));
    for url in ["http://[::1]/", "tg://user?id=1", "example.com", "https://me@a.b:8/", "mailto:a@b"] {
        assert_eq!(kept("x", &[link(0, 1, url)]), [link(0, 1, url)]);
    }
}

#[test]
fn telegram_drops_what_is_empty_and_what_it_finds_itself() {
    let list = [entity("bold", 1, 0), entity("mention", 0, 3), entity("italic", 3, 2), entity("code", 5, 3)];
    assert_eq!(kept("abc  x  y", &list), [entity("code", 5, 3)]);
    assert_eq!(kept("a \n bc", &[entity("bold", 1, 5)]), [entity("bold", 4, 2)]);
    assert_eq!(kept("a  ", &[entity("bold", 1, 2)]), Vec::<Value>::new());
}

#[test]
fn after_a_hundred_entities_the_rest_is_plain() {
    let text = "ab ".repeat(130);
    let style = |n: i64| entity(if n % 2 == 0 { "bold" } else { "italic" }, n * 3, 1);
    let list: Vec<Value> = (0..130).map(style).chain([link(3, 2, "a.b")]).collect();
    let kept = kept(&text, &list);
    assert_eq!(kept.len(), 100);
    assert!(kept.iter().any(|entity| entity["type"] == "text_link"));
    refused(EntityRules::Strict, &text, &list, "more than 100 entities: 131");
}

#[test]
fn strict_refuses_all_that_telegram_would_change() {
    let text = "abcdef 🍳🍳   ";
    for (list, expected) in [
        (vec![entity("bold", 2, 0)], "entity of zero length: bold at UTF-16 offset 2, length 0"),
        (
            vec![entity("bold", 3, 12)],
            "entity beyond the end of the text: bold at UTF-16 offset 3, length 12",
        ),
        (
            vec![entity("code", 20, 1)],
            "entity beyond the end of the text: code at UTF-16 offset 20, length 1",
        ),
        (vec![entity("bold", 8, 2)], "entity splits a surrogate pair: bold at UTF-16 offset 8, length 2"),
        (vec![entity("bold", 7, 3)], "entity splits a surrogate pair: bold at UTF-16 offset 7, length 3"),
        (
            vec![entity("bold", 11, 2)],
            "entity of nothing but white space: bold at UTF-16 offset 11, length 2",
        ),
        (vec![entity("url", 0, 3)], "entity of a type that Telegram finds by itself: url"),
        (
            vec![entity("bold", 0, 3), entity("italic", 2, 3)],
            "entities overlap: bold at UTF-16 offset 0, length 3 and italic at UTF-16 offset 2, length 3",
        ),
        (
            vec![entity("bold", 1, 2), entity("code", 0, 5)],
            "entity inside code: code at UTF-16 offset 0, length 5 and bold at UTF-16 offset 1, length 2",
        ),
        (
            vec![entity("bold", 0, 5), entity("pre", 1, 2)],
            "code inside another entity: bold at UTF-16 offset 0, length 5 and pre at UTF-16 offset 1, length 2",
        ),
        (
            vec![entity("blockquote", 0, 5), entity("expandable_blockquote", 1, 2)],
            "nested blockquote: blockquote at UTF-16 offset 0, length 5 and expandable_blockquote at UTF-16 offset 1, length 2",
        ),
        (
            vec![link(0, 5, "a.b"), link(1, 1, "a.b")],
            "link inside a link: text_link at UTF-16 offset 0, length 5 and text_link at UTF-16 offset 1, length 1",
        ),
        (
            vec![entity("bold", 0, 5), entity("bold", 0, 5)],
            "style inside itself: bold at UTF-16 offset 0, length 5 and bold at UTF-16 offset 0, length 5",
        ),
    ] {
        refused(EntityRules::Strict, text, &list, expected);
    }
}

#[test]
fn strict_takes_proper_nesting() {
    let list = [
        entity("blockquote", 0, 9),
        entity("bold", 0, 6),
        link(0, 3, "https://a.b/"),
        entity("italic", 1, 2),
        entity("code", 7, 2),
    ];
    let any_order: Vec<Value> = list.iter().rev().cloned().collect();
    assert_eq!(checked("abcdef gh", any_order, EntityRules::Strict), Ok(list.to_vec()));
}

#[test]
fn lenient_looks_at_nothing() {
    let list = vec![entity("shiny", 90, 0), json!(7)];
    assert_eq!(checked("x", list.clone(), EntityRules::Lenient), Ok(list));
}
