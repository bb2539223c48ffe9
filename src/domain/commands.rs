//! The commands a person can send, and what the bot says by itself.

use super::record::Kind;

/// The acknowledgement: sent at once, gone when the first chunk is there.
pub const CHECK_MARK: &str = "✓";

/// What the Heartbeat says.
pub const THINKING: &str = "Thinking...";

/// The heartbeat in the style that counts: one message that is edited.
pub fn thinking_for(seconds: u64) -> String {
    format!("{THINKING} {seconds} s")
}

/// `/start`'s answer.
pub const GREETING: &str = "Hello! Send me a message and I will answer. /help lists what else I understand.";

/// `/help`'s answer.
pub const HELP: &str = "Send me a message and I will answer.\n\n\
    /stop ends the answer I am writing\n\
    /retry asks your last question again\n\
    /restart begins a new conversation; I forget the old one\n\
    /help shows this list";

/// `/restart`'s answer.
pub const RESTARTED: &str = "We begin anew: I have put the old conversation away.";

/// `/stop`'s answer while an answer was on its way.
pub const STOPPED: &str = "Stopped.";

/// `/stop`'s answer otherwise.
pub const NOTHING_TO_STOP: &str = "There is nothing to stop.";

/// `/retry`'s answer in a session without a question.
pub const NOTHING_TO_RETRY: &str = "There is no question to ask again yet.";

/// Said before an answer that had begun to show when the server stopped.
pub const BEGUN_AGAIN: &str = "I was interrupted. Here is the answer from the beginning:";

/// Said after an answer of which a part may not have arrived.
pub const MAYBE_LOST: &str = "Telegram did not tell me whether a part of this answer reached you. Send /retry if something is missing.";

/// Said after an answer that reached the provider's limit.
pub const CUT_BY_LENGTH: &str =
    "My answer ends here because it is as long as my language model allows. Ask me to go on.";

/// Said after an answer that the provider's filter has ended.
pub const CUT_BY_FILTER: &str = "My language model's provider ended the answer here.";

/// Said when an answer broke off and the model could not go on with it.
pub const BROKE_OFF: &str = "The answer broke off before it was complete. Send /retry to ask again.";

/// Said at once while the model's provider is known to be dead.
pub const MODEL_AWAY: &str =
    "My language model can't be reached at the moment. Please send /retry in a minute.";

/// Said when a turn was given up because the server panicked over it again and again.
pub const PARKED: &str =
    "I could not handle this message: something in it breaks me. Please ask differently.";

/// Said when Telegram refused a part of an answer.
pub const PART_REFUSED: &str = "Telegram did not accept the rest of this answer. Send /retry to ask again.";

/// Said when a defect of this server ended a turn.
pub const BROKEN_INSIDE: &str =
    "Something broke inside me, and I lost this answer. Send /retry to ask again.";

/// The answer to a `what` ("photo") that is no text.
pub fn only_text(what: &str) -> String {
    format!("Thank you for the {what}! So far I understand only text, though: please tell me in words.")
}

/// The commands with a line each, as Telegram shows them in its menu (`setMyCommands`).
pub const MENU: [(&str, &str); 5] = [
    ("start", "Say hello"),
    ("stop", "End the answer I am writing"),
    ("retry", "Ask the last question again"),
    ("restart", "Begin a new conversation"),
    ("help", "List the commands"),
];

/// What a text asks for; none when it is a command for another bot (`/stop@other_bot`).
///
/// A word with a slash that is no command of ours is text for the model.
pub fn kind_of(text: &str, bot_username: &str) -> Option<Kind> {
    let Some(word) = text.strip_prefix('/').and_then(|rest| rest.split(char::is_whitespace).next()) else {
        return Some(Kind::Text);
    };
    let (name, addressee) = word.split_once('@').unwrap_or((word, bot_username));
    if !addressee.eq_ignore_ascii_case(bot_username) && is_name(name) && is_bot(addressee) {
        return None;
    }
    Some(command(name).unwrap_or(Kind::Text))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Usernames of bots end so (Telegram's rule for new ones).
fn is_bot(username: &str) -> bool {
    is_name(username) && username.to_ascii_lowercase().ends_with("bot")
}

fn command(name: &str) -> Option<Kind> {
    let kinds = [Kind::Start, Kind::Help, Kind::Restart, Kind::Stop, Kind::Retry];
    kinds.into_iter().find(|kind| name.eq_ignore_ascii_case(kind.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_text() {
        let cases = [
            ("/start", Some(Kind::Start)),
            ("/start deep-link", Some(Kind::Start)),
            ("/STOP", Some(Kind::Stop)),
            ("/stop@Cook_Bot now", Some(Kind::Stop)),
            ("/stop@other_bot", None),
            ("/weather Paris", Some(Kind::Text)),
            ("/", Some(Kind::Text)),
            ("/ stop", Some(Kind::Text)),
            ("/usr/bin@home", Some(Kind::Text)),
            ("/icon@2x.png is broken", Some(Kind::Text)),
            ("/stop@", Some(Kind::Stop)),
            ("/help@OtherBot", None),
            ("please /stop", Some(Kind::Text)),
            ("", Some(Kind::Text)),
        ];
        for (text, kind) in cases {
            assert_eq!(kind_of(text, "cook_bot"), kind, "{text}");
        }
    }

    #[test]
    fn the_menu_lists_commands_that_exist() {
        for (name, _) in MENU {
            assert!(command(name).is_some(), "{name}");
        }
    }
}
