//! How a bot gets its updates: `getUpdates`, `setWebhook` and what belongs to them.

use reqwest::Url;
use serde_json::{Value, json};

use super::error::ApiError;
use super::params::Params;
use super::state::World;
use super::updates::{Updates, Webhook};

const WEBHOOK_ACTIVE: &str =
    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
const OTHER_POLLER: &str =
    "terminated by other getUpdates request; make sure that only one bot instance is running";

/// A `getUpdates` call that may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    bot: i64,
    number: u64,
    offset: i64,
    limit: usize,
    /// How long it may wait, in milliseconds.
    pub timeout_ms: u64,
}

impl World {
    /// Begins a `getUpdates`; an older one that still waits is done for.
    ///
    /// # Errors
    /// 409 while a webhook is set.
    pub fn begin_poll(&mut self, bot: i64, params: &Params) -> Result<Poll, ApiError> {
        let updates = &mut self.bot(bot).updates;
        if updates.webhook().is_some() {
            return Err(ApiError::conflict(WEBHOOK_ACTIVE));
        }
        allow(updates, params)?;
        let limit = params.int("limit").unwrap_or(100).clamp(1, 100) as usize;
        let timeout_s = params.int("timeout").unwrap_or(0).clamp(0, 50) as u64;
        let number = updates.begin_poll();
        let offset = params.int("offset").unwrap_or(0);
        self.stir();
        Ok(Poll { bot, number, offset, limit, timeout_ms: timeout_s * 1000 })
    }

    /// What a poll has now: nothing yet is an empty list.
    ///
    /// # Errors
    /// 409 when a webhook was set or another poll has begun.
    pub fn poll(&mut self, now_ms: u64, poll: &Poll) -> Result<Vec<Value>, ApiError> {
        let now = self.tick(now_ms);
        let updates = &mut self.bot(poll.bot).updates;
        if updates.webhook().is_some() {
            return Err(ApiError::conflict("terminated by setWebhook request"));
        }
        if updates.newest_poll() != poll.number {
            return Err(ApiError::conflict(OTHER_POLLER));
        }
        Ok(updates.poll(now, poll.offset, poll.limit))
    }

    pub(super) fn set_webhook(&mut self, bot: i64, params: &Params) -> Result<Value, ApiError> {
        let url = params.text("url").unwrap_or_default();
        if url.is_empty() {
            return self.delete_webhook(bot, params);
        }
        check_url(&url)?;
        let webhook = Webhook {
            url,
            secret_token: secret_token(params)?,
            max_connections: params.int("max_connections").unwrap_or(40).clamp(1, 100) as usize,
            ip_address: params.text("ip_address").filter(|address| !address.is_empty()),
            has_custom_certificate: params.text("certificate").is_some_and(|text| !text.is_empty()),
        };
        let updates = &mut self.bot(bot).updates;
        allow(updates, params)?;
        if params.flag("drop_pending_updates") {
            updates.drop_pending();
        }
        updates.set_webhook(Some(webhook));
        self.stir();
        Ok(json!(true))
    }

    pub(super) fn delete_webhook(&mut self, bot: i64, params: &Params) -> Result<Value, ApiError> {
        let updates = &mut self.bot(bot).updates;
        if params.flag("drop_pending_updates") {
            updates.drop_pending();
        }
        if updates.webhook().is_some() {
            updates.set_webhook(None);
        }
        self.stir();
        Ok(json!(true))
    }

    pub(super) fn webhook_info(&mut self, bot: i64) -> Value {
        let updates = &self.bot(bot).updates;
        let count = updates.pending_count();
        let mut info = json!({"url": "", "has_custom_certificate": false, "pending_update_count": count});
        if let Some(webhook) = updates.webhook() {
            info["url"] = json!(webhook.url);
            info["has_custom_certificate"] = json!(webhook.has_custom_certificate);
            info["max_connections"] = json!(webhook.max_connections);
            info["ip_address"] = json!(webhook.ip_address.as_deref().unwrap_or("127.0.0.1"));
        }
        if !updates.allowed().is_empty() {
            info["allowed_updates"] = json!(updates.allowed());
        }
        if let Some((at_ms, message)) = updates.last_error().cloned() {
            info["last_error_date"] = json!(self.unix_s(at_ms));
            info["last_error_message"] = json!(message);
        }
        info
    }
}

/// Takes the list of kinds over, when there is one.
fn allow(updates: &mut Updates, params: &Params) -> Result<(), ApiError> {
    let Some(list) = params.json("allowed_updates")? else { return Ok(()) };
    let names = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    updates.allow(names.map(str::to_owned).collect());
    Ok(())
}

/// The sandbox reaches this machine only, and there plain HTTP and any port will do.
fn check_url(url: &str) -> Result<(), ApiError> {
    let bad = |why: &str| ApiError::bad_request(&format!("bad webhook: {why}"));
    let url = Url::parse(url).map_err(|_| bad("invalid webhook URL specified"))?;
    if url.host_str().is_some_and(|host| matches!(host, "127.0.0.1" | "localhost" | "[::1]")) {
        return match url.scheme() {
            "http" | "https" => Ok(()),
            _ => Err(bad("An HTTPS URL must be provided for webhook")),
        };
    }
    if url.scheme() != "https" {
        return Err(bad("An HTTPS URL must be provided for webhook"));
    }
    if !matches!(url.port_or_known_default(), Some(443 | 80 | 88 | 8443)) {
        return Err(bad("Webhook can be set up only on ports 80, 88, 443 or 8443"));
    }
    Err(bad("Failed to resolve host: the sandbox reaches loopback addresses only"))
}

fn secret_token(params: &Params) -> Result<Option<String>, ApiError> {
    let token = params.text("secret_token").unwrap_or_default();
    if token.len() > 256 {
        return Err(ApiError::bad_request("secret token is too long"));
    }
    if !token.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return Err(ApiError::bad_request("secret token contains unallowed characters"));
    }
    Ok(Some(token).filter(|token| !token.is_empty()))
}
