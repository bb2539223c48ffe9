//! What the model may do besides talk: a trait, and the tools this server brings.

mod arguments;
pub mod calculate;
pub mod convert_units;
pub mod get_current_time;

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::domain::chat::ToolSpec;

/// Something the model may call.
///
/// A tool must not block its thread: long work belongs in a future that yields or in a thread of
/// its own. The caller ends it by dropping the future.
pub trait Tool: Send + Sync {
    /// Name, description and schema, as the model is told.
    fn spec(&self) -> ToolSpec;

    /// Calls it. `arguments` is a JSON object, not yet checked against the schema. The result is
    /// text for the model.
    ///
    /// # Errors
    /// [`ToolError`] says, to the model, what was wrong and what is allowed.
    fn call(&self, arguments: Value) -> BoxFuture<'static, Result<String, ToolError>>;
}

/// A tool that could not do what it was asked: a sentence for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ToolError(pub String);

/// The tools on offer, found by name.
#[derive(Clone, Default)]
pub struct Toolbox {
    tools: Arc<[Arc<dyn Tool>]>,
    specs: Arc<[ToolSpec]>,
}

impl Toolbox {
    /// A toolbox with these tools.
    pub fn new(tools: Vec<Arc<dyn Tool>>) -> Self {
        let specs = tools.iter().map(|tool| tool.spec()).collect();
        Self { tools: tools.into(), specs }
    }

    /// The tools that this server brings.
    pub fn standard() -> Self {
        Self::new(vec![
            Arc::new(get_current_time::GetCurrentTime::default()),
            Arc::new(convert_units::ConvertUnits),
            Arc::new(calculate::Calculate::default()),
        ])
    }

    /// What the model is told of them.
    pub fn specs(&self) -> Arc<[ToolSpec]> {
        self.specs.clone()
    }

    /// Calls the tool `name` with `arguments`, JSON text as the model wrote it; empty stands for
    /// no arguments.
    ///
    /// # Errors
    /// An unknown name and arguments that are no JSON object are errors for the model, like those
    /// of the tools themselves.
    pub fn call(&self, name: &str, arguments: &str) -> BoxFuture<'static, Result<String, ToolError>> {
        let Some(position) = self.specs.iter().position(|spec| spec.name == name) else {
            let known: Vec<_> = self.specs.iter().map(|spec| spec.name).collect();
            let error = ToolError(format!("there is no tool '{name}'; there are: {}", known.join(", ")));
            return Box::pin(std::future::ready(Err(error)));
        };
        let text = if arguments.trim().is_empty() { "{}" } else { arguments };
        match serde_json::from_str::<Value>(text) {
            Ok(arguments @ Value::Object(_)) => self.tools[position].call(arguments),
            Ok(_) => refuse(name, "they are no JSON object"),
            Err(error) => refuse(name, &format!("they are no valid JSON: {error}")),
        }
    }
}

fn refuse(name: &str, why: &str) -> BoxFuture<'static, Result<String, ToolError>> {
    let error = ToolError(format!("the arguments of '{name}' can't be read: {why}"));
    Box::pin(std::future::ready(Err(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn call(name: &str, arguments: &str) -> Result<String, String> {
        Toolbox::standard().call(name, arguments).await.map_err(|error| error.0)
    }

    #[tokio::test]
    async fn the_standard_tools_can_be_called() {
        assert!(call("get_current_time", "").await.unwrap().contains("UTC"));
        assert!(call("get_current_time", " {} ").await.unwrap().contains("UTC"));
        assert_eq!(call("calculate", r#"{"expression": "6*7"}"#).await.as_deref(), Ok("6*7 = 42"));
        let arguments = r#"{"value": 1, "from": "kg", "to": "g"}"#;
        assert_eq!(call("convert_units", arguments).await.as_deref(), Ok("1 kg = 1000 g"));
    }

    #[test]
    fn every_schema_describes_an_object_and_each_of_its_arguments() {
        for spec in Toolbox::standard().specs().iter() {
            assert!(spec.name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'));
            assert_eq!(spec.parameters["type"], "object", "{}", spec.name);
            let properties = spec.parameters["properties"].as_object().unwrap();
            assert!(
                properties
                    .values()
                    .all(|property| property["description"].is_string() && property["type"].is_string())
            );
        }
    }

    #[tokio::test]
    async fn an_unknown_name_is_answered_with_the_known_ones() {
        let expected = "there is no tool 'fly'; there are: get_current_time, convert_units, calculate";
        assert_eq!(call("fly", "{}").await, Err(expected.to_owned()));
        assert!(Toolbox::default().call("fly", "{}").await.is_err());
    }

    #[tokio::test]
    async fn arguments_that_are_no_object_are_refused() {
        for (arguments, why) in [
            ("{\"expression\": ", "no valid JSON"),
            ("[]", "no JSON object"),
            ("null", "no JSON object"),
            ("7", "no JSON object"),
        ] {
            let error = call("calculate", arguments).await.unwrap_err();
            assert!(
                error.starts_with("the arguments of 'calculate' can't be read") && error.contains(why),
                "{error}"
            );
        }
    }
}
