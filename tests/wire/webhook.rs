//! The web server as Telegram and strangers meet it.

use serde_json::json;

use super::binary::WEBHOOK_SECRET;
use super::house::{House, Kind};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn what_is_no_update_is_refused_and_what_is_unknown_is_taken() {
    let house = House::open(Kind::WebhookSqlite).await.expect("needs nothing");
    let update = |id: i64, kind: &str| json!({"update_id": id, kind: {"new_in_2031": [1, null]}}).to_string();
    let padded = |length: usize| {
        let body = update(1, "unheard_of");
        let blank = " ".repeat(length - body.len());
        body + &blank
    };
    let right = Some(WEBHOOK_SECRET);
    let cases = [
        (update(1, "unheard_of"), None, 401),
        (update(1, "unheard_of"), Some(""), 401),
        (update(1, "unheard_of"), Some("hookSecretWorm"), 401),
        (update(1, "unheard_of"), Some("hookSecretWord2"), 401),
        (padded(MIB + 1), right, 413),
        (padded(MIB), right, 200),
        (String::new(), right, 400),
        ("update_id=7".to_owned(), right, 400),
        ("{\"update_id\":7".to_owned(), right, 400),
        ("[".repeat(100_000), right, 400),
        ("{}".to_owned(), right, 400),
        ("{\"update_id\":\"7\"}".to_owned(), right, 400),
        ("{\"update_id\":7.5}".to_owned(), right, 400),
        ("{\"update_id\":99999999999999999999}".to_owned(), right, 400),
        ("{\"update_id\":7}".to_owned(), right, 200),
        (update(-7, "unheard_of"), right, 200),
        (update(2, "edited_message"), right, 200),
        (update(3, "message"), right, 200),
        (update(4, "callback_query"), right, 200),
        (update(5, "poll_answer"), right, 200),
    ];
    for (body, secret, status) in cases {
        let start: String = body.chars().take(60).collect();
        assert_eq!(house.post(body, secret).await.expect("an answer"), status, "{start} {secret:?}");
    }
    assert_eq!(house.health().await.expect("an answer"), 200);
    assert_eq!(house.turns(5).await, []);
    house.ask(5, "#first=5 #say=still here").await;
    assert_eq!(house.told(5), ["still here"]);
    house.close().await;
}
