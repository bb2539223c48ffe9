//! Which method does what.

use serde_json::{Value, json};

use super::error::ApiError;
use super::flood::Budget;
use super::json::{full_chat, me};
use super::messages::chat_id;
use super::params::Params;
use super::state::World;

impl World {
    /// Calls a method for the bot of a token.
    ///
    /// # Errors
    /// Telegram's own: 401 and 404 for a wrong token, and those of [`World::call_as`].
    pub fn call(
        &mut self,
        now_ms: u64,
        token: &str,
        method: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let bot = self.bot_of(token)?;
        self.call_as(now_ms, bot, method, params)
    }

    /// Calls a method for a bot. Names are case-insensitive. `getUpdates` does not wait here.
    ///
    /// # Errors
    /// Telegram's own; 404 for a method that the sandbox does not have.
    pub fn call_as(
        &mut self,
        now_ms: u64,
        bot: i64,
        method: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let now = self.tick(now_ms);
        self.admit(now, bot, method, params)?;
        match method.to_ascii_lowercase().as_str() {
            "getme" => Ok(me(bot)),
            "sendmessage" => self.send_message(now, bot, params),
            "editmessagetext" => self.edit_text(now, bot, params),
            "deletemessage" => self.delete_message(now, bot, params),
            "deletemessages" => self.delete_messages(now, bot, params),
            "sendmessagedraft" => self.send_draft(now, bot, params),
            "sendchataction" => self.chat_action(bot, params),
            "getchat" => self.get_chat(bot, params),
            "setmycommands" => self.set_my_commands(bot, params),
            "getmycommands" => self.get_my_commands(bot, params),
            "deletemycommands" => self.delete_my_commands(bot, params),
            "setwebhook" => self.set_webhook(bot, params),
            "deletewebhook" => self.delete_webhook(bot, params),
            "getwebhookinfo" => Ok(self.webhook_info(bot)),
            "getupdates" => {
                self.begin_poll(bot, params).and_then(|poll| self.poll(now, &poll)).map(Value::Array)
            }
            "logout" | "close" | "answercallbackquery" => Ok(json!(true)),
            _ => Err(ApiError::not_found()),
        }
    }

    /// Telegram's flood control, which looks at a call before anything else does. A call that is
    /// refused afterwards has been counted all the same.
    fn admit(&mut self, now_ms: u64, bot: i64, method: &str, params: &Params) -> Result<(), ApiError> {
        let limits = self.limits;
        if !limits.on {
            return Ok(());
        }
        let (Some(budget), Some(chat)) = (Budget::of(method), params.int("chat_id")) else { return Ok(()) };
        self.bot(bot).flood.admit(now_ms, &limits, (bot, chat, budget)).map_err(ApiError::flooded)
    }

    /// A 429 that a script asked for: with limits on it opens a window like any other.
    pub(super) fn told_to_wait(
        &mut self,
        now_ms: u64,
        (bot, method, chat): (i64, &str, Option<i64>),
        seconds: u64,
    ) -> ApiError {
        let (now, limits) = (self.tick(now_ms), self.limits);
        match (Budget::of(method), chat) {
            (Some(budget), Some(chat)) if limits.on => {
                let about = (bot, chat, budget);
                ApiError::flooded(self.bot(bot).flood.told(now, &limits, about, seconds))
            }
            _ => ApiError::too_many_requests(seconds),
        }
    }

    fn get_chat(&mut self, bot: i64, params: &Params) -> Result<Value, ApiError> {
        let id = chat_id(params)?;
        match self.bot(bot).chats.get(&id) {
            Some(chat) => Ok(full_chat(id, chat.is_forum())),
            None => Err(ApiError::bad_request("chat not found")),
        }
    }
}
