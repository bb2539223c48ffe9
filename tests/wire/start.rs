//! Starts that go wrong, and what the operator reads then. That no secret is ever shown is asked
//! of every run, when a [`Brigade`] is dropped.

use std::net::TcpListener;
use std::path::Path;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use brigade::domain::record::State;
use tokio::io::AsyncWriteExt;

use super::binary::{BOT, Brigade, KEY, PASSWORD, TOKEN};
use super::house::{House, Kind, free_port, sandbox};

type Settings = Vec<(String, String)>;

/// Settings in which nothing is wrong but that nobody is at these addresses.
fn settings(more: &[(&str, &str)]) -> Settings {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let usual = [
        ("TELEGRAM_BOT_TOKEN", TOKEN),
        ("OPENAI_API_KEY", KEY),
        ("TELEGRAM_API_URL", nobody.as_str()),
        ("OPENAI_BASE_URL", nobody.as_str()),
    ];
    let more = more.iter().filter(|(_, value)| !value.is_empty());
    let kept = usual.iter().filter(|(name, _)| !more.clone().any(|(other, _)| other == name));
    kept.chain(more.clone()).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn serve(folder: &Path, settings: &[(String, String)]) -> (Option<i32>, String) {
    let (code, out, log) = Brigade::start(folder, &["serve"], settings).finish().await;
    assert_eq!(out, "", "standard output is for what was asked for");
    (code, log)
}

fn assert_says(log: &str, words: &[&str]) {
    for word in words {
        assert!(log.contains(word), "'{word}' is missing in: {log}");
    }
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn settings_that_are_missing_or_malformed_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let without = |name: &str| {
        let mut all = settings(&[]);
        all.retain(|(set, _)| set != name);
        all
    };
    let cases: [(Settings, &[&str]); 10] = [
        (without("TELEGRAM_BOT_TOKEN"), &["TELEGRAM_BOT_TOKEN", "@BotFather", "sandbox"]),
        (settings(&[("TELEGRAM_BOT_TOKEN", "tokenSecretWord")]), &["TELEGRAM_BOT_TOKEN", "123456789:"]),
        (settings(&[("TELEGRAM_BOT_TOKEN", "77:token SecretWord")]), &["TELEGRAM_BOT_TOKEN"]),
        (settings(&[("TELEGRAM_WEBHOOK_SECRET", "no SecretWord!")]), &["TELEGRAM_WEBHOOK_SECRET"]),
        (settings(&[("OPENAI_API_KEY_FILE", "nowhere"), ("OPENAI_API_KEY", " ")]), &["OPENAI_API_KEY"]),
        (settings(&[("PORT", "eighty")]), &["PORT", "http.port", "eighty"]),
        (settings(&[("TELEGRAM_API_URL", "http://localhost:99999")]), &["telegram.api_url", "99999"]),
        (settings(&[("OPENAI_BASE_URL", "cook:SecretWord@proxy/v1")]), &["llm.base_url", "(not shown)"]),
        (settings(&[("BRIGADE_HEARTBEAT__EVRY_MS", "5")]), &["BRIGADE_HEARTBEAT__EVRY_MS", "every_ms"]),
        (settings(&[("BRIGADE_LLM__INSTRUCTIONS", "[\"none.md\"]")]), &["none.md", "llm.instructions"]),
    ];
    for (settings, words) in cases {
        let (code, log) = serve(folder.path(), &settings).await;
        assert_eq!(code, Some(2), "{log}");
        assert_says(&log, words);
    }
}

#[tokio::test]
async fn a_file_of_settings_with_an_unknown_key_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.toml"), "[heartbeat]\nevry_ms = 5\n").expect("written");
    let (code, log) = serve(folder.path(), &settings(&[])).await;
    assert_eq!(code, Some(2));
    assert_says(&log, &["config.toml", "evry_ms", "every_ms"]);
    let named = Brigade::start(folder.path(), &["serve", "--config", "missing.toml"], &settings(&[]));
    let (code, _, log) = named.finish().await;
    assert_eq!(code, Some(2));
    assert_says(&log, &["missing.toml"]);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let (code, log) = serve(
        folder.path(),
        &settings(&[
            ("PORT", &port),
            ("BRIGADE_HTTP__HOST", "127.0.0.1"),
            ("TELEGRAM_WEBHOOK_URL", "https://bot.example"),
        ]),
    )
    .await;
    assert_eq!(code, Some(1));
    assert_says(&log, &["PORT", &port]);
}

#[tokio::test]
async fn a_mongodb_that_is_away_is_waited_for_and_one_that_cant_be_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let uri = format!("mongodb://cook:{PASSWORD}@127.0.0.1:{}/?serverSelectionTimeoutMS=100", free_port());
    let settings_with = |uri: &str| settings(&[("MONGODB_URI", uri)]);
    let mut bot = Brigade::start(folder.path(), &["serve"], &settings_with(&uri));
    assert!(bot.logs("could not reach mongodb, trying again").await);
    bot.signal("TERM");
    let (code, _, log) = bot.finish().await;
    assert_eq!(code, Some(0), "{log}");
    let (code, log) = serve(folder.path(), &settings_with(&format!("mongodb://cook:{PASSWORD}/@host"))).await;
    assert_eq!(code, Some(1));
    assert_says(&log, &["MongoDB URI"]);
}

/// Answers everything with this status and body.
fn fixed_server(status: u16, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = move || async move { HttpResponse::build(status.try_into().expect("a status")).body(body) };
    let app = move || App::new().default_service(web::to(answer));
    let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).expect("listens");
    tokio::spawn(server.run());
    url
}

/// Speaks, but no HTTP.
async fn babbling_server() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // The caller may have hung up.
            let _gone = stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n\x00\xff\xfe garbage\r\n").await;
        }
    });
    url
}

#[tokio::test]
async fn a_telegram_that_answers_garbage_is_asked_again() {
    let folder = tempfile::tempdir().expect("a folder");
    for url in [
        fixed_server(200, "<html>Log in to the hotel's network</html>"),
        fixed_server(502, ""),
        fixed_server(200, r#"{"ok":true,"result":{"username":7}}"#),
        babbling_server().await,
    ] {
        let mut bot = Brigade::start(folder.path(), &["serve"], &settings(&[("TELEGRAM_API_URL", &url)]));
        assert!(bot.logs("could not reach telegram, trying again").await, "{}", bot.log());
        bot.signal("TERM");
        assert_eq!(bot.ended().await, Some(0), "{}", bot.log());
    }
}

/// Sends everybody elsewhere, as a wrong address or a hotel's network does.
fn redirecting_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = |request: HttpRequest| async move {
        let location = format!("https://login.example{}", request.path());
        HttpResponse::Found().insert_header(("Location", location)).finish()
    };
    let app = move || App::new().default_service(web::to(answer));
    let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).expect("listens");
    tokio::spawn(server.run());
    url
}

#[tokio::test]
async fn a_telegram_that_is_elsewhere_is_named_and_asked_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = redirecting_server();
    let mut bot = Brigade::start(folder.path(), &["serve"], &settings(&[("TELEGRAM_API_URL", &url)]));
    assert!(bot.logs("could not reach telegram, trying again").await, "{}", bot.log());
    assert_says(&bot.log(), &["302 Found leads to https://login.example;", "TELEGRAM_API_URL"]);
    bot.signal("TERM");
    assert_eq!(bot.ended().await, Some(0), "{}", bot.log());
}

pub async fn a_telegram_that_is_away_is_waited_for(mut house: House) {
    let port = |url: &str| -> u16 {
        let address = url.trim_start_matches("http://").trim_end_matches("/v1");
        address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    };
    // Where another process takes one of the ports meanwhile, the next house has others.
    for _ in 0..5 {
        let ports = (port(&house.sandbox.telegram_url), port(&house.sandbox.model_url));
        let kind = house.kind;
        let (away, back) =
            (std::mem::replace(&mut house.sandbox, sandbox(0, 0).await.expect("starts")), ports);
        away.stop().await.expect("a clean end");
        house.begin_with(&[]);
        let is_waiting = house.bot().logs("could not reach telegram, trying again").await;
        let world = sandbox(back.0, back.1).await;
        let (true, Ok(world)) = (is_waiting, world) else {
            house = House::build(kind).await.expect("it was there before");
            continue;
        };
        house.sandbox = world;
        assert!(house.is_ready().await, "{}", house.bot().log());
        assert_says(&house.bot().log(), &["Connection refused"]);
        house.open_store().await;
        let turn = house.ask(5, "#first=5 #say=here you are").await;
        assert_eq!((turn.state, house.told(5)), (State::Delivered, vec!["here you are".to_owned()]));
        return house.close().await;
    }
    panic!("no ports could be had");
}

pub async fn a_revoked_token_is_named(mut house: House) {
    let revoke = |house: &House, yes| house.sandbox.world().with(|world, _| world.revoke(BOT, yes));
    revoke(&house, true);
    house.begin_with(&[]);
    assert_eq!(house.bot().ended().await, Some(1));
    assert_says(&house.bot().log(), &["TELEGRAM_BOT_TOKEN"]);
    if house.kind == Kind::WebhookSqlite {
        return;
    }
    // While it runs, too: polling can't go on, and what is owed is taken up later.
    revoke(&house, false);
    house.start().await;
    revoke(&house, true);
    let turn = house.say(5, "#first=5 #say=back again");
    assert_eq!(house.bot().ended().await, Some(1));
    assert_says(&house.bot().log(), &["TELEGRAM_BOT_TOKEN"]);
    revoke(&house, false);
    house.start().await;
    let turn = house.ended(turn).await;
    assert_eq!(turn.state, State::Delivered);
    house.close().await;
}

pub async fn no_secret_is_in_the_most_talkative_log(mut house: House) {
    house.set("BRIGADE_LOG__FILTER", "trace");
    house.start_with(&["--flow-text"]).await;
    house.ask(5, "How many grams is a cup of flour? #first=5 #gap=1").await;
    if house.kind == Kind::WebhookSqlite {
        assert_eq!(house.post("{}", Some("wrong")).await.expect("an answer"), 401);
    }
    let log = house.bot().log();
    assert!(log.contains("TRACE"), "{log}");
    house.close().await;
}
