//! One construct at a time, as a reader would describe it: `[b:…]` is bold, and so on.

use super::{EntityKind, MarkdownCutter, Rendered, render, render_partial};
use crate::domain::chunking::Boundary;

/// The text with its entities written into it.
fn show(rendered: &Rendered) -> String {
    let units: Vec<u16> = rendered.text.encode_utf16().collect();
    let mut shown = String::new();
    for position in 0..=units.len() {
        let ends = |end: &&super::Entity| end.offset + end.length == position;
        rendered.entities.iter().filter(ends).for_each(|_| shown.push(']'));
        for entity in rendered.entities.iter().filter(|entity| entity.offset == position) {
            shown += &match &entity.kind {
                EntityKind::Bold => "[b:".to_owned(),
                EntityKind::Italic => "[i:".to_owned(),
                EntityKind::Strikethrough => "[s:".to_owned(),
                EntityKind::Code => "[c:".to_owned(),
                EntityKind::Pre { language } => format!("[pre {}:", language.as_deref().unwrap_or("-")),
                EntityKind::TextLink { url } => format!("[a {url}:"),
                EntityKind::Blockquote => "[q:".to_owned(),
            };
        }
        if let Some(unit) = units.get(position) {
            let is_low = (0xdc00..0xe000).contains(unit);
            let pair = [*unit, units.get(position + 1).copied().unwrap_or(0)];
            let take = if (0xd800..0xdc00).contains(unit) { 2 } else { 1 };
            if !is_low {
                shown += &String::from_utf16_lossy(&pair[..take]);
            }
        }
    }
    shown
}

fn check(cases: &[(&str, &str)]) {
    for (source, shown) in cases {
        assert_eq!(show(&render(source)), *shown, "{source:?}");
    }
}

#[test]
fn emphasis() {
    check(&[
        (
            "**bold** and *italic* and _this_ and __that__",
            "[b:bold] and [i:italic] and [i:this] and [b:that]",
        ),
        ("**a *b* c**", "[b:a [i:b] c]"),
        ("*a **b** c*", "[i:a [b:b] c]"),
        ("***both***", "[b:[i:both]]"),
        ("***a** b*", "[i:[b:a] b]"),
        ("~~gone~~ but ~5 to ~6, 10~20 and 30~40", "[s:gone] but ~5 to ~6, 10~20 and 30~40"),
        ("snake_case_words and lookup_exchange_rate", "snake_case_words and lookup_exchange_rate"),
        ("2*3*4 = 24, 5 * 6 * 7, 2**3**4", "2*3*4 = 24, 5 * 6 * 7, 2**3**4"),
        ("**never closed and *this* is", "**never closed and [i:this] is"),
        ("a ** b ** c", "a ** b ** c"),
        (r"\*not\* \# \\", r"*not* # \"),
        ("**one\ntwo**", "[b:one\ntwo]"),
        ("&amp; &lt;b&gt; &copy; &unknown;", "& <b> © &unknown;"),
    ]);
}

#[test]
fn emphasis_next_to_chinese_japanese_and_korean() {
    check(&[
        ("**「重要」**です", "[b:「重要」]です"),
        ("これは**重要**です", "これは[b:重要]です"),
        ("这是**“引用”**的话", "这是[b:“引用”]的话"),
        ("**注意：**请看", "[b:注意：]请看"),
        ("는 **\"안녕\"**은", "는 [b:\"안녕\"]은"),
        ("は**[名](https://a.b)**は", "は[a https://a.b:[b:名]]は"),
        ("0.76米/90天*1/3=0.0084米。雪花*90天*0.0084米", "0.76米/90天*1/3=0.0084米。雪花*90天*0.0084米"),
    ]);
}

#[test]
fn code() {
    check(&[
        ("use `a*b*c` here", "use [c:a*b*c] here"),
        ("`` a`b ``", "[c:a`b]"),
        ("**bold `code` bold**", "[b:bold] [c:code] [b:bold]"),
        ("`never closed *x*", "`never closed [i:x]"),
        ("```python\nif x:\n    y()\n```\nafter", "[pre python:if x:\n    y()]\n\nafter"),
        ("before\n```\na\n\nb\n```", "before\n\n[pre -:a\n\nb]"),
        ("```rust\nlet x = 1;", "[pre rust:let x = 1;]"),
        ("~~~~ js title\n~~~\n~~~~", "[pre js:~~~]"),
        ("a\n\n    indented\n      code\n\n    more\n\nb", "a\n\n[pre -:indented\n  code\n\nmore]\n\nb"),
        ("```go\n\tx\ty\n```", "[pre go:x   y]"),
        ("```\n```", ""),
        ("`a\nb`", "[c:a b]"),
    ]);
}

#[test]
fn links() {
    check(&[
        ("see [this **link**](https://a.b/c_d)", "see [a https://a.b/c_d:this [b:link]]"),
        ("[a [b] c](https://a.b \"title\")", "[a https://a.b:a [b] c]"),
        ("[x](https://a.b/w(1))", "[a https://a.b/w(1):x]"),
        ("[`code`](https://a.b)", "[a https://a.b:code]"),
        ("![a cat](https://a.b/c.png)", "[a https://a.b/c.png:a cat]"),
        ("[![b](https://i.i/x)](https://a.b)", "[a https://a.b:b]"),
        ("<https://a.b/x_y_z> https://a.b/__init__.py", "https://a.b/x_y_z https://a.b/__init__.py"),
        ("[docs](docs/readme.md) [top](#top)", "docs (docs/readme.md) top"),
        ("[](https://a.b)", "[a https://a.b:https://a.b]"),
        ("as said[1][2] [ref][x]\n\n[x]: https://a.b", "as said[1][2] [ref][x]\n\n[x]: https://a.b"),
        ("note[^1]\n\n[^1]: text", "note[^1]\n\n[^1]: text"),
        ("[not a link](", "[not a link]("),
    ]);
}

#[test]
fn blocks() {
    check(&[
        ("# One `code` two\ntext", "[b:One] [c:code] [b:two]\n\ntext"),
        ("## Two ##\n### **Three**", "[b:Two]\n\n[b:Three]"),
        ("Title\n===\ntext", "[b:Title]\n\ntext"),
        ("#hashtag", "#hashtag"),
        ("one\ntwo  \nthree\\\nfour", "one\ntwo\nthree\nfour"),
        ("a\n\n\n\nb", "a\n\nb"),
        ("a\n\n---\n\nb\n\n***", "a\n\n———\n\nb\n\n———"),
        ("<think>\nso *it* is\n</think>\nx<br>y", "<think>\nso [i:it] is\n</think>\nx\ny"),
        ("a\r\nb\r\n\r\nc", "a\nb\n\nc"),
        ("# ", ""),
    ]);
    let long = "word ".repeat(20);
    assert_eq!(render(&format!("{long}\n---\nx")).text, format!("{}\n\n———\n\nx", long.trim_end()));
}

#[test]
fn formulas_are_left_as_written() {
    for formula in [
        r"\(a_1 * b_1 * c_1\) and \[x\]",
        "$a_1 * b$ is $c_1*d$",
        "\\[\na = b\n+ c\n- d\n= e\n\\]",
        "$$\nx_1\n* y_1\n$$",
    ] {
        check(&[(formula, formula)]);
    }
    check(&[("**\\(x\\)**: $5 **b** $6", "[b:\\(x\\)]: $5 [b:b] $6")]);
}

#[test]
fn quotes() {
    check(&[
        ("> one\n> two\n\nthree", "[q:one\ntwo]\n\nthree"),
        ("> a\n>\n> b", "[q:a\n\nb]"),
        ("> **list:**\n> - a\n> - b\n>   - c", "[q:[b:list:]\n• a\n• b\n  • c]"),
        ("> a\n> > b\n> > c", "[q:a\n\n> b\n> c]"),
        ("> a\nlazy", "[q:a\nlazy]"),
        ("> a\n\n> b", "[q:a]\n\n[q:b]"),
        ("> ```\n> x\n> ```", "[q:[pre -:x]]"),
        ("- a\n  > b", "• a\n[q:b]"),
        (">> - a\n>> - b", "[q:> • a\n> • b]"),
        ("> - > a", "[q:• > a]"),
    ]);
}

#[test]
fn lists() {
    check(&[
        ("- a\n- b\n  - c\n    - d\n- e", "• a\n• b\n  • c\n    • d\n• e"),
        ("1. a\n2. b\n   - c\n10. d", "1. a\n2. b\n   • c\n10. d"),
        ("1. a\n1. b\n1. c", "1. a\n2. b\n3. c"),
        ("3) a\n4) b", "3) a\n4) b"),
        ("- a\n\n- b", "• a\n\n• b"),
        ("- a\n\n  more\n- b", "• a\n\n  more\n• b"),
        ("- a\n  more\n- b", "• a\n  more\n• b"),
        ("Label:\n- a\n- b\n\nafter", "Label:\n• a\n• b\n\nafter"),
        ("# Head\n- a", "[b:Head]\n\n• a"),
        ("- [ ] open\n- [x] **done**\n- [a](https://a.b)", "☐ open\n☑ [b:done]\n• [a https://a.b:a]"),
        ("1. [ ] open", "1. ☐ open"),
        ("- text\n  ```py\n  x = 1\n  ```\n- b", "• text\n[pre py:x = 1]\n• b"),
        ("1. text\n   ```py\nx = 1\n   ```\n2. b", "1. text\n[pre py:x = 1]\n2. b"),
        ("- ```\n  x\n  ```", "•\n[pre -:x]"),
        ("-\n-\n- a", "•\n•\n• a"),
        ("- - a", "• • a"),
        ("* a\n+ b", "• a\n• b"),
        ("-5 degrees and 1.5 times", "-5 degrees and 1.5 times"),
        ("In\n2024. was", "In\n2024. was"),
    ]);
}

#[test]
fn tables() {
    check(&[
        (
            "| Name | N |\n|:--|--:|\n| **a** | 1 |\n| bcdef | 100 |\n\nafter",
            "[pre -:Name  |   N\n---   | ---\na     |   1\nbcdef | 100]\n\nafter",
        ),
        ("a | b\n--|:-:\n名前 | x\n🍞 | yyy", "[pre -:a    |  b\n--   | ---\n名前 |  x\n🍞   | yyy]"),
        ("Text:\n| a |\n|---|\n| b |\nafter", "Text:\n\n[pre -:a\n-\nb]\n\nafter"),
        ("| a | b |\n|---|\n| c |", "| a | b |\n|---|\n| c |"),
        ("| a | b |\n|---|---|\n| x \\| y | `p\\|q`<br>r |", "[pre -:a     | b\n---   | ---\nx | y | p|q r]"),
        ("| a |\n|---|\n| [x](https://a.b) |", "[pre -:a\n---\nx (https://a.b)]"),
        ("- item\n\n  | a | b |\n  |---|---|\n  | c | d |", "• item\n\n[pre -:a | b\n- | -\nc | d]"),
    ]);
}

#[test]
fn an_unfinished_answer_is_shown_as_if_it_ended_here() {
    for (source, shown) in [
        ("some **bol", "some [b:bol]"),
        ("some **bold*", "some [b:bold]"),
        ("some **", "some"),
        ("**a *b", "[b:a [i:b]]"),
        ("use `cod", "use [c:cod]"),
        ("a [link](https://a.b/x", "a link"),
        ("~~gone", "[s:gone]"),
        ("```py\nx = 1", "[pre py:x = 1]"),
        ("- **a", "• [b:a]"),
        ("# He", "[b:He]"),
        ("a **b** c", "a [b:b] c"),
    ] {
        assert_eq!(show(&render_partial(source)), shown, "{source:?}");
    }
}

fn chunks(source: &str, limit: usize) -> Vec<String> {
    let mut cutter = MarkdownCutter::new(Boundary::Natural);
    cutter.push(source);
    std::iter::from_fn(|| cutter.next(true, limit))
        .map(|chunk| show(&Rendered { text: chunk.text, entities: chunk.entities }))
        .collect()
}

#[test]
fn cuts_are_where_a_reader_would_cut() {
    assert_eq!(chunks("some words **bold words here** end", 24), ["some words", "[b:bold words here] end"]);
    assert_eq!(chunks("**one two three four five**", 15), ["[b:one two three]", "[b:four five]"]);
    assert_eq!(
        chunks("intro\n```py\na = 1\nif a:\n    b = 2\nc = 3\nd = 4\n```", 26),
        ["intro", "[pre py:a = 1\nif a:\n    b = 2]", "[pre py:c = 3\nd = 4]"]
    );
    assert_eq!(
        chunks("- one item\n- two more. Items\n- three", 32),
        ["• one item\n• two more. Items", "• three"]
    );
    assert_eq!(
        chunks("| a | b |\n|--|--|\n| c | d |\n| e | f |\n| g | h |", 20),
        ["[pre -:a | b\n- | -\nc | d]", "[pre -:e | f\ng | h]"]
    );
    assert_eq!(
        chunks("this text is here and there.\n\n## Head\n\nmore text", 36),
        ["this text is here and there.", "[b:Head]\n\nmore text"]
    );
}

#[test]
fn text_comes_out_before_its_paragraph_ends() {
    let mut cutter = MarkdownCutter::new(Boundary::Natural);
    let mut sent = 0;
    for _ in 0..100 {
        cutter.push("plain words ");
        sent += usize::from(cutter.next(false, 300).is_some());
    }
    assert_eq!(sent, 3);
}

#[test]
fn a_mark_that_is_not_closed_is_text_after_a_while() {
    let source = format!("**{}", "open words ".repeat(400));
    let mut cutter = MarkdownCutter::new(Boundary::Natural);
    cutter.push(&source);
    let first = cutter.next(false, 300).expect("a chunk");
    assert!(first.text.starts_with("**open") && first.entities.is_empty());
    cutter.push("end** and **bold**");
    let last = std::iter::from_fn(|| cutter.next(true, 300)).last().expect("a chunk");
    assert!(last.text.ends_with("end** and bold"));
    assert_eq!(last.entities.len(), 1);
}
