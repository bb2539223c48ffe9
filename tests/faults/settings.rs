//! The settings of the bot under test: this world is fast.

use brigade::sandbox::server::Sandbox;

use super::plan::{Kind, Plan};
use super::store::Stage;

/// What the bot of a run is told.
pub fn all(plan: &Plan, sandbox: &Sandbox, stage: &Stage) -> Vec<(String, String)> {
    let mut settings: Vec<_> = FAST.iter().map(|(name, value)| own(name, value)).collect();
    settings.extend(plan.settings().iter().map(|(name, value)| own(name, value)));
    settings.extend(stage.settings());
    settings.push(own("TELEGRAM_API_URL", &sandbox.telegram_url));
    settings.push(own("OPENAI_BASE_URL", &sandbox.model_url));
    if plan.kind == Kind::Sqlite {
        settings.push(own("TELEGRAM_WEBHOOK_SECRET", "hookWord"));
    }
    settings
}

fn own(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// This Telegram has no limits but the penalties of the weather, and nobody has time.
const FAST: [(&str, &str); 17] = [
    ("TELEGRAM_BOT_TOKEN", "77:tokenWord"),
    ("OPENAI_API_KEY", "keyWord"),
    ("BRIGADE_HTTP__HOST", "127.0.0.1"),
    ("BRIGADE_PACING__PRIVATE_EVERY_MS", "0"),
    ("BRIGADE_PACING__GROUP_EVERY_MS", "0"),
    ("BRIGADE_PACING__PREVIEW_EVERY_MS", "0"),
    ("BRIGADE_PACING__DELETE_EVERY_MS", "0"),
    ("BRIGADE_PACING__OVERALL_EVERY_MS", "0"),
    ("BRIGADE_PACING__RECOVER_MS", "0"),
    ("BRIGADE_HISTORY__MAX_TURNS", "3"),
    ("BRIGADE_HEARTBEAT__EVERY_MS", "300"),
    ("BRIGADE_SHUTDOWN__GRACE_MS", "300"),
    ("BRIGADE_TELEGRAM__POLL_TIMEOUT_S", "1"),
    ("BRIGADE_LLM__RETRY_FIRST_MS", "50"),
    ("BRIGADE_LLM__RETRY_MOST_MS", "200"),
    ("BRIGADE_LLM__TURN_DEADLINE_MS", "1500"),
    // Questions that fail for good are no sign of a dead provider here.
    ("BRIGADE_LLM__BREAKER_FAILURES", "0"),
];
