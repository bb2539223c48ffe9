//! The real binary over real HTTP with real stores, against a simulated Telegram and model: what a
//! person in the chat, an operator and Telegram itself meet.

#[path = "wire/answers.rs"]
mod answers;
#[path = "support/binary.rs"]
mod binary;
#[path = "wire/command_line.rs"]
mod command_line;
#[path = "wire/commands.rs"]
mod commands;
#[path = "wire/ends.rs"]
mod ends;
#[path = "support/house.rs"]
mod house;
#[path = "wire/load.rs"]
mod load;
#[path = "support/mongo.rs"]
mod mongo;
#[path = "wire/start.rs"]
mod start;
#[path = "wire/webhook.rs"]
mod webhook;

use house::{House, Kind};

async fn on<F: Future<Output = ()>>(kind: Kind, case: impl FnOnce(House) -> F) {
    if let Some(house) = House::build(kind).await {
        case(house).await;
    }
}

macro_rules! cases {
    ($($file:ident: $($case:ident)*;)*) => {
        mod webhook_sqlite {
            $($(#[tokio::test] async fn $case() {
                crate::on(crate::Kind::WebhookSqlite, crate::$file::$case).await;
            })*)*
        }
        mod polling_mongodb {
            $($(#[tokio::test] async fn $case() {
                crate::on(crate::Kind::PollingMongo, crate::$file::$case).await;
            })*)*
        }
    };
}

cases! {
    answers:
        an_answer_with_a_tool_is_shown_whole_and_stored_once
        an_exact_boundary_is_kept_to_the_letter
        thinking_is_said_until_the_answer_begins
        ten_chats_at_once_keep_to_themselves
        a_draft_grows_and_becomes_a_message
        the_stop_button_keeps_what_the_draft_showed
    ;
    commands:
        stop_ends_a_long_answer_where_it_is
        restart_begins_a_session_that_knows_nothing
        retry_asks_the_last_question_again
        other_commands_and_stickers_are_answered_without_the_model
    ;
    ends:
        an_update_that_comes_again_is_one_turn
        a_turn_killed_in_a_model_call_is_answered_with_its_history
        sigterm_lets_the_running_answer_end
        sigterm_twice_ends_at_once_and_the_turn_is_taken_up
        one_who_writes_too_much_makes_no_poll_deaf
        owed_turns_that_cant_be_read_end_the_process
    ;
    command_line:
        an_export_has_the_agreed_shape
    ;
    start:
        no_secret_is_in_the_most_talkative_log
        a_telegram_that_is_away_is_waited_for
        a_revoked_token_is_named
    ;
}
