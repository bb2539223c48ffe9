//! Arithmetic, so that the model need not guess.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Tool, ToolError, arguments};
use crate::domain::chat::ToolSpec;

/// The longest expression, in characters.
const MAX_CHARS: usize = 200;
/// A longer number is told approximately, in characters.
const MAX_EXACT_CHARS: usize = 60;
/// Digits after the point of a number that is told approximately.
const APPROXIMATE_DIGITS: usize = 12;
/// The longest result that is worth telling, in characters.
const MAX_RESULT_CHARS: usize = 500;
/// How deep brackets may nest: each level doubles what the parser does before it can be stopped.
const MAX_DEPTH: usize = 10;
/// The parser recurses; this is far more than an expression of the greatest length takes.
const STACK_BYTES: usize = 64 * 1024 * 1024;
const SIGNS: &str = "+-*/^%!().,_=;×÷−·√π°²³";

/// The tool `calculate`.
#[derive(Debug, Clone)]
pub struct Calculate {
    limit: Duration,
}

impl Default for Calculate {
    fn default() -> Self {
        Self { limit: Duration::from_secs(2) }
    }
}

impl Tool for Calculate {
    fn spec(&self) -> ToolSpec {
        ToolSpec {
            name: "calculate",
            description: "Evaluates an arithmetic expression exactly and returns the result. Use it for every \
                calculation that is not trivial. Knows + - * / ^ ! mod, brackets, percentages such as \
                '20% of 350', functions such as sqrt, sin, ln, log10, round, constants such as pi and e, units \
                such as '3 km to miles', and '; ' between statements such as 'a = 3; a * 2'. It knows no \
                currencies, dates or random numbers.",
            parameters: json!({
                "type": "object",
                "properties": {"expression": {
                    "type": "string",
                    "maxLength": MAX_CHARS,
                    "description": "The expression, such as '(12.5 + 7) * 3'. The decimal sign is a point. Write 15% of 80, not 80 + 15%."
                }},
                "required": ["expression"],
                "additionalProperties": false
            }),
        }
    }

    fn call(&self, arguments: Value) -> BoxFuture<'static, Result<String, ToolError>> {
        let limit = self.limit;
        Box::pin(async move {
            let expression = arguments::text(&arguments, "expression")?;
            let plain = checked(expression)?;
            let stopped = Stopped::default();
            let stop = stopped.0.clone();
            // Not a thread alone: the runtime must know that it is waiting for real work.
            let work = tokio::task::spawn_blocking(move || on_a_deep_stack(plain, stop, limit));
            let result = work.await.unwrap_or_else(|_| Err("the calculator failed".to_owned()));
            told(expression, result)
        })
    }
}

/// Ends the work when nobody waits for it any more.
#[derive(Default)]
struct Stopped(Arc<AtomicBool>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Interrupt {
    stop: Arc<AtomicBool>,
    deadline: std::time::Instant,
}

impl fend_core::Interrupt for Interrupt {
    fn should_interrupt(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || real_now() >= self.deadline
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "computing takes real time, also where the runtime's clock is paused"
)]
fn real_now() -> std::time::Instant {
    std::time::Instant::now()
}

fn on_a_deep_stack(expression: String, stop: Arc<AtomicBool>, limit: Duration) -> Result<String, String> {
    let interrupt = Interrupt { stop, deadline: real_now() + limit };
    let evaluate = move || {
        // A fresh context has no exchange rates, no random numbers and no clock.
        let mut context = fend_core::Context::new();
        let result = fend_core::evaluate_with_interrupt(&expression, &mut context, &interrupt)?;
        Ok(result.get_main_result().to_owned())
    };
    let thread = thread::Builder::new().name("calculate".to_owned()).stack_size(STACK_BYTES).spawn(evaluate);
    let joined = thread.map_err(|error| format!("no thread for it: {error}"))?.join();
    joined.unwrap_or_else(|_| Err("the calculator failed".to_owned()))
}

/// Refuses what could run away with the calculator: functions that call themselves, shifts by a
/// billion, deep nesting. Arrows become `to`.
fn checked(expression: &str) -> Result<String, ToolError> {
    let refuse = |why: String| Err(ToolError(format!("'expression' {why}")));
    let length = expression.chars().count();
    if length > MAX_CHARS {
        return refuse(format!(
            "has {length} characters; at most {MAX_CHARS} are allowed: calculate it in parts"
        ));
    }
    let plain = expression.replace("->", " to ");
    let is_known = |letter: char| {
        letter.is_ascii_alphanumeric()
            || letter.is_whitespace()
            || SIGNS.contains(letter)
            || "µΩ".contains(letter)
    };
    if let Some(odd) = plain.chars().find(|letter| !is_known(*letter)) {
        return refuse(format!("may not contain '{odd}'; allowed are numbers, names, units and {SIGNS}"));
    }
    if depth(&plain) > MAX_DEPTH {
        return refuse(format!("nests brackets more than {MAX_DEPTH} deep: calculate it in parts"));
    }
    unambiguous(&plain)
}

fn depth(expression: &str) -> usize {
    let mut open = 0_usize;
    let mut deepest = 0;
    for letter in expression.chars() {
        match letter {
            '(' => open += 1,
            ')' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// Takes commas out of `1,000`; anywhere else they would silently change the meaning. Has `2.5(4)` multiply, as
/// `2(4)` does: the calculator takes the four for a recurring digit.
fn unambiguous(expression: &str) -> Result<String, ToolError> {
    let letters: Vec<char> = expression.chars().collect();
    let mut plain = String::with_capacity(expression.len());
    for (at, letter) in letters.iter().enumerate() {
        let before = &letters[..at];
        match letter {
            ',' if is_between_thousands(before, &letters[at + 1..]) => {}
            '(' if digits_at_end(before) > 0 && before[..at - digits_at_end(before)].ends_with(&['.']) => {
                plain.push_str("*(");
            }
            ',' => {
                let why = "'expression' may have a comma only between thousands, as in 1,000; the decimal sign is a point, \
                    and functions take one argument, as in sqrt(2)";
                return Err(ToolError(why.to_owned()));
            }
            letter => plain.push(*letter),
        }
    }
    Ok(plain)
}

fn is_between_thousands(before: &[char], after: &[char]) -> bool {
    let group = digits_at_end(before);
    let (earlier, group) = before.split_at(before.len() - group);
    let is_first = !earlier.ends_with(&['.']) && !earlier.ends_with(&[',']);
    let is_whole =
        if is_first { (1..=3).contains(&group.len()) && group[0] != '0' } else { group.len() == 3 };
    is_whole
        && !earlier.ends_with(&['.'])
        && after.iter().take_while(|letter| letter.is_ascii_digit()).count() == 3
}

fn digits_at_end(letters: &[char]) -> usize {
    letters.iter().rev().take_while(|letter| letter.is_ascii_digit()).count()
}

fn told(expression: &str, result: Result<String, String>) -> Result<String, ToolError> {
    let fail = |why: &str| Err(ToolError(format!("'{expression}' can't be calculated: {why}")));
    let result = match result {
        Ok(result) => approximate(&result).unwrap_or(result),
        Err(why) if why == "interrupted" => {
            return fail("it takes too long; use smaller numbers or an approximation");
        }
        Err(why) => return fail(&why),
    };
    let length = result.chars().count();
    if result.trim().is_empty() {
        return fail("it has no result");
    }
    if length > MAX_RESULT_CHARS {
        return fail(&format!("the result has {length} characters; at most {MAX_RESULT_CHARS} can be told"));
    }
    Ok(format!("{expression} = {result}"))
}

/// A number of so many digits that nobody would read them, cut; `None` for anything else.
fn approximate(result: &str) -> Option<String> {
    let (sign, digits) = result.strip_prefix('-').map_or(("", result), |digits| ("-", digits));
    let is_number = digits.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
    if result.len() <= MAX_EXACT_CHARS || !is_number {
        return None;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() > MAX_EXACT_CHARS / 2 {
        let (first, rest) = whole.split_at(1);
        return Some(format!("approx. {sign}{first}.{} * 10^{}", &rest[..APPROXIMATE_DIGITS], rest.len()));
    }
    let leading_zeros = fraction.len() - fraction.trim_start_matches('0').len();
    let kept = if whole == "0" { leading_zeros + APPROXIMATE_DIGITS } else { APPROXIMATE_DIGITS };
    Some(format!("approx. {sign}{whole}.{}", fraction.get(..kept).unwrap_or(fraction)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn calculate(expression: &str) -> Result<String, String> {
        let limit = Duration::from_millis(300);
        let call = Calculate { limit }.call(json!({"expression": expression}));
        call.await.map_err(|error| error.0)
    }

    #[tokio::test]
    async fn ordinary_sums() {
        for (expression, expected) in [
            ("(12.5 + 7) * 3", "58.5"),
            ("20% of 350", "70"),
            ("2^64", "18446744073709551616"),
            ("1,234,567 + 1", "1234568"),
            ("2(3+4)", "14"),
            ("2.5(4)", "10"),
            ("(1.5)(4)", "6"),
            ("12,345.5 * 2", "24691"),
            ("6 ÷ 4 − 1", "0.5"),
            ("17 mod 5", "2"),
            ("a = 3; a * 2", "6"),
            ("3 km -> m", "3000 m"),
            ("sqrt(16)", "4"),
            ("1/3", "approx. 0.3333333333"),
        ] {
            assert_eq!(calculate(expression).await, Ok(format!("{expression} = {expected}")));
        }
    }

    #[tokio::test]
    async fn numbers_without_end_are_told_approximately() {
        for (expression, expected) in [
            ("1.07^30*10000", "approx. 76122.550426620292"),
            ("-(200!)", "approx. -7.886578673647 * 10^374"),
            ("2^-100", "approx. 0.000000000000000000000000000000788860905221"),
        ] {
            assert_eq!(calculate(expression).await, Ok(format!("{expression} = {expected}")));
        }
    }

    #[tokio::test]
    async fn a_comma_that_may_be_a_decimal_sign_is_refused() {
        for expression in
            ["0,125 * 8", "1.234,567", "1234,567 + 1", "1,23", "1,2345", "00,100", ",100", "1,234,56"]
        {
            let error = calculate(expression).await.unwrap_err();
            assert!(error.contains("the decimal sign is a point"), "{expression}: {error}");
        }
    }

    #[tokio::test]
    async fn endless_work_ends_with_an_error() {
        for expression in ["9^9^9^9", "100000!", "exp(10000)", "e^e^e^e", "fib 1000000", "d1000000*d100000"] {
            let error = calculate(expression).await.unwrap_err();
            assert!(error.contains("too long") || error.contains("too large"), "{expression}: {error}");
        }
    }

    #[tokio::test]
    async fn what_could_run_away_is_refused() {
        let deep = format!("{}1{}", "(".repeat(11), ")".repeat(11));
        for expression in
            ["(x: x x)(x: x x)", "\\x.x", "x => x", "1 << 1000000000", "\"a\"", "@debug 1", "f(1, 2)", &deep]
        {
            let error = calculate(expression).await.unwrap_err();
            assert!(error.starts_with("'expression' "), "{expression}: {error}");
        }
    }

    #[tokio::test]
    async fn the_longest_expressions_fit_the_stack() {
        for (unit, end) in
            [("-", "1"), ("2^", "1"), ("1!", ""), ("1+", "1"), ("a=", "1"), ("1 to ", "1"), ("sqrt ", "1")]
        {
            let expression = unit.repeat((MAX_CHARS - 1) / unit.len()) + end;
            // Whether it has a result does not matter here, only that the process lives.
            let _ = calculate(&expression).await;
        }
        let nested = format!("{}1{}", "1(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
        assert!(calculate(&nested).await.is_ok());
    }

    #[tokio::test]
    async fn the_world_stays_outside() {
        for (expression, why) in
            [("1 usd to eur", "exchange rates"), ("roll d6", "random numbers"), ("today", "current date")]
        {
            let error = calculate(expression).await.unwrap_err();
            assert!(error.contains(why), "{expression}: {error}");
        }
    }

    #[tokio::test]
    async fn bad_arguments_are_explained() {
        for (arguments, why) in [
            (json!({}), "'expression' is missing"),
            (json!({"expression": null}), "'expression' is missing"),
            (json!({"expression": 7}), "'expression' must be a text"),
            (json!({"expression": "  "}), "'expression' is empty"),
            (json!({"expression": "1".repeat(201)}), "has 201 characters"),
            (json!({"expression": "1/0"}), "division by zero"),
            (json!({"expression": "2 +"}), "can't be calculated"),
            (json!({"expression": "pi to 900 dp"}), "characters; at most 500"),
        ] {
            let error =
                Calculate { limit: Duration::from_secs(20) }.call(arguments.clone()).await.unwrap_err();
            assert!(error.0.contains(why), "{arguments}: {error}");
        }
    }

    #[tokio::test]
    async fn dropping_the_call_ends_the_work() {
        let stopped = Stopped::default();
        let stop = stopped.0.clone();
        drop(stopped);
        let result = on_a_deep_stack("9^9^9^9".to_owned(), stop, Duration::from_secs(3600));
        assert_eq!(result, Err("interrupted".to_owned()));
    }
}
