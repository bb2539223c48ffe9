//! Commands, and what is no text.

use brigade::domain::commands::{
    CHECK_MARK, GREETING, HELP, NOTHING_TO_RETRY, RESTARTED, STOPPED, only_text,
};
use brigade::domain::record::{Kind, State, StoredTurn};
use brigade::sandbox::telegram::Attachment;

use super::binary::{BOT, until};
use super::house::{House, chat_of};

const EGG: &str = "How do I boil an egg? #first=5";

/// Tokens that the model was given: as many as were in the instructions, the history and the
/// question.
fn prompt_tokens(turn: &StoredTurn) -> u64 {
    turn.usage.expect("the model says what it used").prompt_tokens
}

fn without_space(text: &str) -> String {
    text.split_whitespace().collect()
}

pub async fn stop_ends_a_long_answer_where_it_is(mut house: House) {
    house.start().await;
    let long = house.say(5, "#tool=1 #first=5 #gap=4 #chars=30000");
    house.told_so_many(5, 2).await;
    let stop = house.ask(5, "/stop").await;
    assert_eq!((stop.kind, stop.state), (Kind::Stop, State::Delivered));
    let stopped = house.ended(long).await;
    assert_eq!((stopped.state, stopped.stopped), (State::Delivered, true));
    let told = house.told(5);
    let (notice, parts) = told.split_last().expect("something was shown");
    assert_eq!(notice, STOPPED);
    let answer = stopped.messages.last().and_then(|message| message.content.as_deref()).expect("an answer");
    assert_eq!(without_space(&parts.concat()), without_space(answer), "what was shown is on record");
    assert!(answer.len() < 30_000);
    assert!(!house.view(5).contains(&CHECK_MARK.to_owned()));
    // The stopped answer stays stopped.
    let next = house.ask(5, "#first=5 #say=Here I am.").await;
    assert_eq!(next.state, State::Delivered);
    assert_eq!(house.told(5), [told.as_slice(), &["Here I am.".to_owned()]].concat());
    house.close().await;
}

pub async fn restart_begins_a_session_that_knows_nothing(mut house: House) {
    house.start().await;
    let first = house.ask(5, EGG).await;
    let second = house.ask(5, EGG).await;
    assert_eq!(first.session, second.session);
    assert!(prompt_tokens(&second) > prompt_tokens(&first), "the second is asked with the first");
    let restart = house.ask(5, "/restart").await;
    assert_eq!((restart.kind, restart.state), (Kind::Restart, State::Delivered));
    assert_eq!(house.told(5).last().map(String::as_str), Some(RESTARTED));
    let third = house.ask(5, EGG).await;
    assert_ne!(third.session, first.session);
    assert_eq!((third.session, third.seq), (restart.session, 4));
    assert_eq!(prompt_tokens(&third), prompt_tokens(&first));
    house.close().await;
}

pub async fn retry_asks_the_last_question_again(mut house: House) {
    house.start().await;
    for _ in 0..2 {
        house.ask(6, "/retry").await;
    }
    assert_eq!(house.told(6), [NOTHING_TO_RETRY; 2]);
    let failed = house.ask(5, "#fail=500 #first=5 Is it done?").await;
    assert_eq!(failed.state, State::Failed);
    assert!(failed.failure.as_deref().is_some_and(|why| why.contains("500")), "{:?}", failed.failure);
    let again = house.ask(5, "/retry").await;
    assert_eq!((again.kind, again.state), (Kind::Retry, State::Failed));
    let told = house.told(5);
    assert!(told[0].contains("/retry"), "the person is told what to do: {told:?}");
    assert_eq!(told[0], told[1]);

    house.ask(5, EGG).await;
    let again = house.ask(5, "/retry").await;
    assert_eq!((again.kind, again.state), (Kind::Retry, State::Delivered));
    let question = again.messages[0].content.as_deref();
    assert_eq!(question, Some(EGG), "the question is what is on record");
    let told = house.told(5);
    let answers = &told[2..];
    assert_eq!(answers[..answers.len() / 2], answers[answers.len() / 2..]);
    assert!(!house.view(5).contains(&CHECK_MARK.to_owned()));
    house.close().await;
}

pub async fn other_commands_and_stickers_are_answered_without_the_model(mut house: House) {
    house.start().await;
    for (said, answer) in [("/start", GREETING), ("/help", HELP), ("/help@of_another_bot", "")] {
        let turn = house.say(5, said);
        if !answer.is_empty() {
            assert_eq!(house.ended(turn).await.state, State::Delivered);
            assert_eq!(house.told(5).last().map(String::as_str), Some(answer));
        }
    }
    let sticker =
        house.sandbox.world().with(|world, now| world.send(now, chat_of(5), 5, Attachment::Sticker));
    let sticker = brigade::domain::ids::TurnId { bot: BOT, update: sticker };
    let turn = house.ended(sticker).await;
    assert_eq!((turn.kind, turn.state), (Kind::Unsupported, State::Delivered));
    assert_eq!(house.shown(5), [GREETING, HELP, &only_text("sticker")], "and no ✓");
    // The command for another bot was taken, too: Telegram has nothing left to deliver.
    until("an empty queue", async || (house.pending() == 0).then_some(())).await;
    house.close().await;
}
