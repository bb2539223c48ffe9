//! Tools that only scenarios have: they go wrong in ways that real ones should not.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::domain::chat::ToolSpec;
use crate::edge::tools::convert_units::ConvertUnits;
use crate::edge::tools::{Tool, ToolError, Toolbox};

#[derive(Clone, Copy)]
enum Wrong {
    Hang,
    Fail,
    Panic,
}

impl Tool for Wrong {
    fn spec(&self) -> ToolSpec {
        let (name, description) = match self {
            Self::Hang => ("hang", "never answers"),
            Self::Fail => ("fail", "always fails"),
            Self::Panic => ("panic", "panics"),
        };
        ToolSpec { name, description, parameters: json!({"type": "object"}) }
    }

    fn call(&self, _: Value) -> BoxFuture<'static, Result<String, ToolError>> {
        let this = *self;
        Box::pin(async move {
            match this {
                Self::Hang => std::future::pending().await,
                Self::Fail => Err(ToolError("the oven is cold".to_owned())),
                Self::Panic => panic!("a tool of this scenario panics"),
            }
        })
    }
}

/// The server's tools that need no clock and no thread, and those that go wrong.
pub(super) fn toolbox() -> Toolbox {
    Toolbox::new(vec![
        Arc::new(ConvertUnits),
        Arc::new(Wrong::Hang),
        Arc::new(Wrong::Fail),
        Arc::new(Wrong::Panic),
    ])
}
