//! Reading a call's arguments, with answers that a model can act on.

use serde_json::Value;

use super::ToolError;

/// The text in `name`, without space around it.
///
/// # Errors
/// When it is missing, empty or no text.
pub(super) fn text<'a>(arguments: &'a Value, name: &str) -> Result<&'a str, ToolError> {
    let found = optional_text(arguments, name)?;
    found.ok_or_else(|| ToolError(format!("'{name}' is missing; it must be a text")))
}

/// The text in `name`, or none when it is missing or null.
///
/// # Errors
/// When it is empty or no text.
pub(super) fn optional_text<'a>(arguments: &'a Value, name: &str) -> Result<Option<&'a str>, ToolError> {
    match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => {
            Err(ToolError(format!("'{name}' is empty; it must be a text")))
        }
        Some(Value::String(text)) => Ok(Some(text.trim())),
        Some(other) => Err(ToolError(format!("'{name}' must be a text, not {other}"))),
    }
}

/// The number in `name`; text that is a number counts, for models that quote everything.
///
/// # Errors
/// When it is missing, no number or not finite.
pub(super) fn number(arguments: &Value, name: &str) -> Result<f64, ToolError> {
    let found = match arguments.get(name) {
        None | Some(Value::Null) => {
            return Err(ToolError(format!("'{name}' is missing; it must be a number")));
        }
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    match found {
        Some(number) if number.is_finite() => Ok(number),
        _ => Err(ToolError(format!("'{name}' must be a finite number, not {}", arguments[name]))),
    }
}
