//! The bot's menu of commands.

use serde_json::{Value, json};

use super::error::ApiError;
use super::params::Params;
use super::state::World;

impl World {
    pub(super) fn set_my_commands(&mut self, bot: i64, params: &Params) -> Result<Value, ApiError> {
        let list = params.json("commands")?.unwrap_or_else(|| json!([]));
        let commands =
            list.as_array().ok_or_else(|| ApiError::bad_request("expected an Array of BotCommand"))?;
        if commands.len() > 100 {
            return Err(ApiError::bad_request("BOT_COMMANDS_TOO_MUCH"));
        }
        let clean = commands.iter().map(command).collect::<Result<Vec<_>, _>>()?;
        let shelf = shelf(params)?;
        self.bot(bot).commands.insert(shelf, json!(clean));
        Ok(json!(true))
    }

    pub(super) fn get_my_commands(&mut self, bot: i64, params: &Params) -> Result<Value, ApiError> {
        let shelf = shelf(params)?;
        Ok(self.bot(bot).commands.get(&shelf).cloned().unwrap_or_else(|| json!([])))
    }

    pub(super) fn delete_my_commands(&mut self, bot: i64, params: &Params) -> Result<Value, ApiError> {
        let shelf = shelf(params)?;
        self.bot(bot).commands.remove(&shelf);
        Ok(json!(true))
    }
}

/// Commands are kept for each scope and language.
fn shelf(params: &Params) -> Result<(String, String), ApiError> {
    let scope = params.json("scope")?.unwrap_or_else(|| json!({"type": "default"}));
    Ok((scope.to_string(), params.text("language_code").unwrap_or_default()))
}

fn command(given: &Value) -> Result<Value, ApiError> {
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default().trim();
    let name = text("command").trim_start_matches('/');
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || name.len() > 32 || !name.chars().all(allowed) {
        return Err(ApiError::bad_request("BOT_COMMAND_INVALID"));
    }
    let description = text("description");
    if description.is_empty() || description.chars().count() > 256 {
        return Err(ApiError::bad_request("BOT_COMMAND_DESCRIPTION_INVALID"));
    }
    Ok(json!({"command": name, "description": description}))
}
