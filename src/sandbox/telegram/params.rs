//! A method's parameters, read as leniently as Telegram reads them.

use serde_json::{Map, Value};

use super::error::ApiError;

/// The parameters of one call. A number may come as text, and an object as JSON text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params(Map<String, Value>);

impl From<Map<String, Value>> for Params {
    fn from(map: Map<String, Value>) -> Self {
        Self(map)
    }
}

impl FromIterator<(String, Value)> for Params {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl Params {
    /// The parameters in a JSON object; none in any other value.
    pub fn from_json(value: Value) -> Self {
        match value {
            Value::Object(map) => Self(map),
            _ => Self::default(),
        }
    }

    /// Adds those of `more` that are not here yet.
    pub fn or(mut self, more: Self) -> Self {
        for (name, value) in more.0 {
            self.0.entry(name).or_insert(value);
        }
        self
    }

    /// Takes a parameter out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// A text; a number or a flag as it is written.
    pub fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// A whole number, also from text.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.0.get(name).and_then(int_of)
    }

    /// A flag; false when it is missing.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes"))
    }

    /// An object or a list, also from JSON text.
    ///
    /// # Errors
    /// Text that is no JSON is Telegram's "can't parse … JSON object".
    pub fn json(&self, name: &str) -> Result<Option<Value>, ApiError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|_| ApiError::bad_request(&format!("can't parse {name} JSON object"))),
            Some(value) => Ok(Some(value.clone())),
        }
    }
}

/// A whole number, as a number or as text.
pub(super) fn int_of(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_and_json_read_the_same() {
        let form = Params::from_json(json!({"chat_id": "-7", "on": "True", "list": "[1,2]"}));
        let json = Params::from_json(json!({"chat_id": -7, "on": true, "list": [1, 2]}));
        for params in [form, json] {
            assert_eq!(params.int("chat_id"), Some(-7));
            assert_eq!(params.text("chat_id").as_deref(), Some("-7"));
            assert!(params.flag("on"));
            assert_eq!(params.json("list"), Ok(Some(json!([1, 2]))));
        }
    }

    #[test]
    fn broken_json_text_is_telegrams_error() {
        let params = Params::from_json(json!({"message_ids": "["}));
        let error = params.json("message_ids").expect_err("no JSON");
        assert_eq!(error.description, "Bad Request: can't parse message_ids JSON object");
    }
}
