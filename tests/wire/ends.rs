//! Updates that come again, and ends of the process, orderly or not.

use std::net::TcpListener;

use brigade::domain::commands::CHECK_MARK;
use brigade::domain::ids::TurnId;
use brigade::domain::record::{State, StoredTurn};
use brigade::sandbox::telegram::{Fault, Trouble};
use serde_json::{Value, json};

use super::binary::{BOT, WEBHOOK_SECRET, until};
use super::house::{House, Kind};

const EGG: &str = "How do I boil an egg? #first=5";

/// A model that takes connections and never says a word.
fn silent_model() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, format!("http://{address}/v1"))
}

fn update(id: i64, user: i64, text: &str) -> Value {
    json!({"update_id": id, "message": {
        "message_id": id, "date": 1_700_000_000, "text": text,
        "chat": {"id": user, "type": "private", "first_name": "Ada"},
        "from": {"id": user, "is_bot": false, "first_name": "Ada"},
    }})
}

fn prompt_tokens(turn: &StoredTurn) -> u64 {
    turn.usage.expect("the model says what it used").prompt_tokens
}

pub async fn an_update_that_comes_again_is_one_turn(mut house: House) {
    house.start().await;
    let turn = match house.kind {
        Kind::WebhookSqlite => comes_again_by_webhook(&mut house).await,
        Kind::PollingMongo => comes_again_by_polling(&mut house).await,
    };
    // Whatever the second copy brought about would come before the next answer.
    house.ask(5, "#first=5 #say=the next").await;
    assert_eq!(house.told(5), ["once", "the next"]);
    assert_eq!(house.turns(5).await.len(), 2);
    assert_eq!(house.turn(turn.id).await, Some(turn));
    house.close().await;
}

async fn comes_again_by_webhook(house: &mut House) -> StoredTurn {
    let id = TurnId { bot: BOT, update: 900 };
    let body = update(id.update, 5, "#first=300 #say=once").to_string();
    let post = async |house: &House| house.post(body.clone(), Some(WEBHOOK_SECRET)).await.expect("an answer");
    assert_eq!(tokio::join!(post(house), post(house)), (200, 200), "at once");
    assert_eq!(post(house).await, 200, "while it runs");
    let turn = house.ended(id).await;
    assert_eq!(post(house).await, 200, "after its end");
    assert_eq!(house.terminate().await, Some(0));
    house.start().await;
    assert_eq!(post(house).await, 200, "after a new start");
    turn
}

/// The offset that would confirm the update never arrives, so Telegram gives it out again.
async fn comes_again_by_polling(house: &mut House) -> StoredTurn {
    house.ask(7, "#first=5 #say=warming up").await;
    // The poll that confirms that update is the one that brings the next.
    let confirmed = async || (house.pending() == 0).then_some(());
    until("a poll that waits", confirmed).await;
    house.sandbox.world().fault(Fault::on("getUpdates", Trouble::Server(502)).times(1000));
    let turn = house.ask(5, "#first=5 #say=once").await;
    house.kill();
    house.sandbox.world().clear_faults();
    assert_eq!(house.pending(), 1, "it is given out again");
    house.start().await;
    turn
}

pub async fn a_turn_killed_in_a_model_call_is_answered_with_its_history(mut house: House) {
    house.start().await;
    for user in [5, 6] {
        house.ask(user, EGG).await;
        house.ask(user, "#tool=1 #first=5 #gap=1 #chars=700").await;
    }
    let undisturbed = house.ask(6, EGG).await;
    house.kill();

    let (_listener, url) = silent_model();
    let real = house.sandbox.model_url.clone();
    house.set("OPENAI_BASE_URL", url);
    house.start().await;
    let told = house.told(5).len();
    let turn = house.say(5, EGG);
    house.recorded(turn).await;
    until("the check mark", async || house.view(5).contains(&CHECK_MARK.to_owned()).then_some(())).await;
    assert_eq!(house.turn(turn).await.map(|turn| turn.state), Some(State::Accepted));
    assert_eq!(house.told(5).len(), told);
    house.kill();

    house.set("OPENAI_BASE_URL", real);
    house.start().await;
    let answered = house.ended(turn).await;
    assert_eq!((answered.state, answered.seq), (State::Delivered, 3));
    assert_eq!(answered.messages, undisturbed.messages);
    assert_eq!(prompt_tokens(&answered), prompt_tokens(&undisturbed), "the same history was told");
    assert_eq!(house.told(5), house.told(6));
    assert_eq!(house.turns(5).await.len(), 3);
    house.close().await;
}

pub async fn sigterm_lets_the_running_answer_end(mut house: House) {
    house.start().await;
    let turn = house.say(5, "#tool=1 #first=5 #gap=4 #chars=1800");
    house.told_so_many(5, 1).await;
    house.bot().signal("TERM");
    assert!(house.bot().logs("stopping").await);
    let late = house.say(6, "#first=5 #say=after all");
    if house.kind == Kind::WebhookSqlite {
        let posted = house.post(update(901, 7, "too late").to_string(), Some(WEBHOOK_SECRET)).await;
        assert!(
            matches!(posted, Ok(503)) || posted.as_ref().is_err_and(reqwest::Error::is_connect),
            "{posted:?}"
        );
        let health = house.health().await;
        assert!(
            matches!(health, Ok(503)) || health.as_ref().is_err_and(reqwest::Error::is_connect),
            "{health:?}"
        );
    }
    assert_eq!(house.bot().ended().await, Some(0));
    let ended = house.turn(turn).await.expect("on record");
    assert_eq!(ended.state, State::Delivered);
    let answer = ended.messages.last().and_then(|message| message.content.clone()).expect("an answer");
    assert_eq!(answer.chars().count(), 1800);
    let told = house.told(5);
    assert_eq!(
        told.concat().split_whitespace().collect::<String>(),
        answer.split_whitespace().collect::<String>()
    );
    assert!(!house.view(5).contains(&CHECK_MARK.to_owned()));

    house.start().await;
    assert_eq!(house.ended(late).await.state, State::Delivered, "what was refused comes again");
    assert_eq!(house.told(6), ["after all"]);
    assert_eq!(house.told(5), told, "nothing is said twice");
    assert_eq!(house.turn(turn).await, Some(ended));
    house.close().await;
}

pub async fn sigterm_twice_ends_at_once_and_the_turn_is_taken_up(mut house: House) {
    let (_listener, url) = silent_model();
    let real = house.sandbox.model_url.clone();
    house.set("OPENAI_BASE_URL", url);
    house.start().await;
    let turn = house.say(5, "#first=5 #say=at last");
    house.recorded(turn).await;
    house.bot().signal("TERM");
    assert!(house.bot().logs("stopping").await);
    assert!(house.bot().runs(), "the turn may still end");
    house.bot().signal("TERM");
    assert_eq!(house.bot().ended().await, Some(0));
    assert_eq!(house.turn(turn).await.map(|turn| turn.state), Some(State::Accepted));

    house.set("OPENAI_BASE_URL", real);
    house.start().await;
    assert_eq!(house.ended(turn).await.state, State::Delivered);
    assert_eq!(house.told(5), ["at last"]);
    house.close().await;
}

/// More than Telegram gives out at once.
const MORE_THAN_A_BATCH: usize = 101;

pub async fn one_who_writes_too_much_makes_no_poll_deaf(mut house: House) {
    if house.kind != Kind::PollingMongo {
        // A webhook refuses each update for itself.
        return;
    }
    house.set("BRIGADE_HTTP__MAX_TURNS_PER_CHAT", "1");
    for what in ["PRIVATE", "DELETE", "OVERALL"] {
        house.set(&format!("BRIGADE_PACING__{what}_EVERY_MS"), "0");
    }
    house.start().await;
    let first = house.say(5, "#first=8000 #say=at last");
    let mut last = first;
    for _ in 0..MORE_THAN_A_BATCH {
        last = house.say(5, "#first=5 #say=more");
    }
    let other = house.ask(6, "#first=5 #say=and me").await;
    let first = house.turn(first).await.expect("on record");
    assert_eq!((other.state, first.state), (State::Delivered, State::Accepted), "nobody waits for the first");
    house.ended(last).await;
    assert_eq!(house.told(5).len(), 1 + MORE_THAN_A_BATCH);
    house.close().await;
}

pub async fn owed_turns_that_cant_be_read_end_the_process(mut house: House) {
    if house.kind != Kind::WebhookSqlite {
        // A document has no columns that could be missing.
        return;
    }
    house.start().await;
    house.ask(5, "#first=5 #say=once").await;
    assert_eq!(house.terminate().await, Some(0));
    house.damage_store("ALTER TABLE turns DROP COLUMN usage");
    house.begin_with(&[]);
    assert_eq!(house.bot().ended().await, Some(1), "{}", house.bot().log());
    let log = house.bot().log();
    assert!(log.contains("the unfinished turns can't be read") && log.contains("usage"), "{log}");
}

#[tokio::test]
async fn sigterm_before_telegram_knows_the_webhook_is_orderly_too() {
    let mut house = House::build(Kind::WebhookSqlite).await.expect("an embedded store");
    house.sandbox.world().fault(Fault::on("setWebhook", Trouble::Unreachable).times(1000));
    house.begin_with(&[]);
    assert!(house.bot().logs("could not set the webhook").await);
    house.open_store().await;
    // It knows of the webhook from a start before.
    let id = TurnId { bot: BOT, update: 900 };
    let body = update(id.update, 5, "#first=600 #say=to the last word").to_string();
    assert_eq!(house.post(body, Some(WEBHOOK_SECRET)).await.expect("an answer"), 200);
    house.recorded(id).await;
    assert_eq!(house.terminate().await, Some(0));
    assert!(house.bot().log().contains("nothing is owed"), "{}", house.bot().log());
    assert_eq!(house.told(5), ["to the last word"]);
}
