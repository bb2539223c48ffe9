//! The sandbox over real HTTP: what a client library would meet.

use std::cell::Cell;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{self, Data, Json};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use brigade::domain::ids::ChatKey;
use brigade::sandbox::server::{Options, Sandbox};
use brigade::sandbox::telegram::updates::Retry;
use brigade::sandbox::telegram::{Chaos, Fault, GoneWhy, Limits, Trouble, What};
use reqwest::{Client, Response};
use serde_json::{Value, json};

const TOKEN: &str = "77:sandbox";
const CHAT: ChatKey = ChatKey { bot: 77, chat: 5, topic: None };

async fn sandbox() -> Sandbox {
    let retry = Retry { first_ms: 20, most_ms: 40 };
    Sandbox::start(Options { retry, ..Options::default() }).await.expect("the sandbox starts")
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client")
}

async fn call(sandbox: &Sandbox, method: &str, params: Value) -> (u16, Value) {
    let url = format!("{}/bot{TOKEN}/{method}", sandbox.telegram_url);
    read(client().post(url).json(&params).send().await.expect("an answer")).await
}

async fn read(response: Response) -> (u16, Value) {
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

async fn ask(sandbox: &Sandbox, body: Value) -> Response {
    let url = format!("{}/chat/completions", sandbox.model_url);
    client().post(url).bearer_auth("key").json(&body).send().await.expect("an answer")
}

fn question(text: &str, stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]})
}

/// The chunks of a stream, and whether it ended with `[DONE]`.
fn events(text: &str) -> (Vec<Value>, bool) {
    let data: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    let done = data.last() == Some(&"[DONE]");
    (data.into_iter().filter_map(|line| serde_json::from_str(line).ok()).collect(), done)
}

#[tokio::test]
async fn json_forms_multipart_and_queries_are_the_same_call() {
    let sandbox = sandbox().await;
    sandbox.say(CHAT, 5, "hello");
    let url = format!("{}/bot{TOKEN}/sendMessage", sandbox.telegram_url);
    let reply = r#"{"message_id":1}"#;
    let pairs = [("chat_id", "5"), ("text", "a & b"), ("reply_parameters", reply)];
    let boundary = "limit";
    let part = |(name, text): &(&str, &str)| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    let multipart = pairs.iter().map(part).collect::<String>() + "--limit--\r\n";
    let json = json!({"chat_id": 5, "text": "a & b", "reply_parameters": {"message_id": 1}});
    let requests = [
        client().post(&url).json(&json),
        client().post(&url).form(&pairs),
        client().get(&url).query(&pairs),
        client().post(&url).header("content-type", "multipart/form-data; boundary=limit").body(multipart),
    ];
    for request in requests {
        let (status, body) = read(request.send().await.expect("an answer")).await;
        assert_eq!((status, &body["result"]["text"]), (200, &json!("a & b")), "{body}");
        assert_eq!(body["result"]["reply_to_message"]["text"], "hello");
    }
    sandbox.stop().await.expect("a clean end");
}

#[tokio::test]
async fn errors_come_in_telegrams_envelope_with_their_status() {
    let sandbox = sandbox().await;
    let (status, body) = call(&sandbox, "sendMessage", json!({"chat_id": 9, "text": "x"})).await;
    assert_eq!(status, 400);
    assert_eq!(body, json!({"ok": false, "error_code": 400, "description": "Bad Request: chat not found"}));
    assert_eq!(call(&sandbox, "sendNothing", json!({})).await.0, 404);
    let wrong =
        client().get(format!("{}/bot1:/getMe", sandbox.telegram_url)).send().await.expect("an answer");
    assert_eq!(read(wrong).await.1["description"], "Unauthorized");
    sandbox.world().fault(Fault::on("getMe", Trouble::RetryAfter(7)));
    let (status, body) = call(&sandbox, "getMe", json!({})).await;
    assert_eq!((status, &body["parameters"]["retry_after"]), (429, &json!(7)));
    let url = format!("{}/bot{TOKEN}/getMe", sandbox.telegram_url);
    let broken = client().post(url).header("content-type", "application/json").body("{").send().await;
    assert_eq!(broken.expect("an answer").status(), 400);
}

#[tokio::test]
async fn a_lost_reply_closes_the_connection_after_the_work_is_done() {
    let sandbox = sandbox().await;
    sandbox.say(CHAT, 5, "hello");
    sandbox.world().fault(Fault::on("sendMessage", Trouble::LostReply));
    let url = format!("{}/bot{TOKEN}/sendMessage", sandbox.telegram_url);
    let lost = client().post(url).json(&json!({"chat_id": 5, "text": "x"})).send().await;
    let lost = match lost {
        Ok(response) => response.bytes().await.err(),
        Err(error) => Some(error),
    };
    assert!(lost.is_some(), "the caller must not get an answer");
    assert_eq!(sandbox.world().view(77, 5).len(), 2);
}

#[tokio::test]
async fn a_long_poll_waits_for_an_update_and_a_second_one_ends_it() {
    let sandbox = sandbox().await;
    let (polled, ()) = tokio::join!(call(&sandbox, "getUpdates", json!({"timeout": 15})), async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        sandbox.say(CHAT, 5, "hello");
    });
    let update = &polled.1["result"][0];
    assert_eq!(update["message"]["text"], "hello");
    let next = json!({"timeout": 15, "offset": update["update_id"].as_i64().expect("an id") + 1});
    let has_ended = Cell::new(false);
    let first = async {
        let first = call(&sandbox, "getUpdates", next.clone()).await;
        has_ended.set(true);
        first
    };
    // Whichever of these comes after the first has begun ends it.
    let second = async {
        loop {
            let second = call(&sandbox, "getUpdates", json!({"offset": next["offset"]})).await;
            if has_ended.get() {
                return second;
            }
        }
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.0, second.1["result"].clone()), (409, json!([])));
    let words = first.1["description"].as_str().unwrap_or_default();
    assert!(words.starts_with("Conflict: terminated by other getUpdates request"), "{words}");
}

/// A bot behind a webhook: answers with the statuses it is given, then with 200.
struct Hook {
    seen: Mutex<Vec<(i64, String, String)>>,
    answers: Mutex<Vec<(u16, Option<&'static str>, Value)>>,
}

async fn hook(hook: Data<Arc<Hook>>, request: HttpRequest, update: Json<Value>) -> HttpResponse {
    let secret =
        request.headers().get("X-Telegram-Bot-Api-Secret-Token").and_then(|value| value.to_str().ok());
    let text = update["message"]["text"].as_str().unwrap_or_default().to_owned();
    let chat = update["message"]["chat"]["id"].as_i64().unwrap_or_default();
    hook.seen.lock().expect("no panic").push((chat, text, secret.unwrap_or_default().to_owned()));
    let next = hook.answers.lock().expect("no panic").pop();
    let (status, wait, body) = next.unwrap_or((200, None, json!({})));
    let mut response = HttpResponse::build(status.try_into().expect("a status"));
    if let Some(wait) = wait {
        response.insert_header(("Retry-After", wait));
    }
    response.json(body)
}

fn start_hook(answers: Vec<(u16, Option<&'static str>, Value)>) -> (Arc<Hook>, String, ServerHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let state = Arc::new(Hook { seen: Mutex::default(), answers: Mutex::new(answers) });
    let data = Data::new(state.clone());
    let app = move || App::new().app_data(data.clone()).route("/hook", web::post().to(hook));
    let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).expect("listens").run();
    let handle = server.handle();
    tokio::spawn(server);
    (state, url, handle)
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain: {what}");
}

#[tokio::test]
async fn a_webhook_gets_updates_again_until_it_takes_them() {
    let sandbox = sandbox().await;
    let (hook, url, server) = start_hook(vec![(503, None, json!({})), (500, None, json!({}))]);
    let set = json!({"url": url, "secret_token": "S3-cret_", "allowed_updates": ["message"]});
    assert_eq!(call(&sandbox, "setWebhook", set).await.1["result"], true);
    sandbox.say(CHAT, 5, "one");
    sandbox.say(CHAT, 5, "two");
    let pending = || sandbox.world().with(|world, _| world.pending_count(77));
    until("both are taken", || pending() == 0).await;
    let seen = hook.seen.lock().expect("no panic").clone();
    let texts: Vec<_> = seen.iter().map(|(_, text, _)| text.as_str()).collect();
    assert_eq!(texts, ["one", "one", "one", "two"]);
    assert!(seen.iter().all(|(_, _, secret)| secret == "S3-cret_"));
    let info = call(&sandbox, "getWebhookInfo", json!({})).await.1["result"].clone();
    assert_eq!(info["last_error_message"], "Wrong response from the webhook: 503 Service Unavailable");
    assert_eq!((&info["pending_update_count"], &info["url"]), (&json!(0), &json!(url)));
    server.stop(false).await;
}

#[tokio::test]
async fn a_webhook_that_asks_to_wait_is_left_alone_and_other_chats_are_not() {
    let sandbox = sandbox().await;
    let (hook, url, server) = start_hook(vec![(429, Some("3600"), json!({}))]);
    sandbox.say(CHAT, 5, "waits");
    sandbox.say(ChatKey { chat: 6, ..CHAT }, 6, "goes on");
    call(&sandbox, "setWebhook", json!({"url": url, "max_connections": 1})).await;
    until("the other chat's update", || hook.seen.lock().expect("no panic").len() == 2).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let seen: Vec<_> = hook.seen.lock().expect("no panic").iter().map(|(chat, _, _)| *chat).collect();
    assert_eq!(seen, [5, 6]);
    server.stop(false).await;
}

#[tokio::test]
async fn a_webhook_may_answer_with_a_call() {
    let sandbox = sandbox().await;
    let answer = json!({"method": "sendMessage", "chat_id": 5, "text": "from the hook"});
    let (_, url, server) = start_hook(vec![(200, None, answer)]);
    call(&sandbox, "setWebhook", json!({"url": url})).await;
    let mut events = sandbox.subscribe();
    sandbox.say(CHAT, 5, "hello");
    let first = events.recv().await.expect("the question").what;
    let second = events.recv().await.expect("the answer").what;
    assert_eq!(first, What::UserSaid { message_id: 1, text: "hello".into() });
    assert_eq!(second, What::Shown { message_id: 2, text: "from the hook".into() });
    server.stop(false).await;
}

#[tokio::test]
async fn people_can_be_played_over_http() {
    let sandbox = sandbox().await;
    let post = |path: &str, body: Value| {
        let request = client().post(format!("{}/sandbox/{path}", sandbox.telegram_url)).json(&body);
        async move { request.send().await.expect("an answer").status().as_u16() }
    };
    assert_eq!(post("say", json!({"bot": 77, "chat": 5, "text": "hi"})).await, 200);
    assert_eq!(post("say", json!({"bot": 77, "chat": 5, "attachment": "sticker"})).await, 200);
    assert_eq!(post("update", json!({"bot": 77, "update": {"poll": {}}})).await, 200);
    assert_eq!(post("fault", json!({"method": "getMe", "trouble": {"retry_after": 3}})).await, 200);
    assert_eq!(post("fault", json!({"trouble": "lost_reply", "after": 1})).await, 200);
    assert_eq!(post("fault", json!({"trouble": "nonsense"})).await, 400);
    assert_eq!(call(&sandbox, "getMe", json!({})).await.0, 429);
    assert_eq!(post("block", json!({"bot": 77, "chat": 5, "blocked": true})).await, 200);
    let url = format!("{}/sandbox/chat?bot=77&chat=5", sandbox.telegram_url);
    let view = read(client().get(url).send().await.expect("an answer")).await.1;
    assert_eq!(view[1], json!({"message_id": 2, "topic": null, "author": {"user": 5}, "text": "[sticker]"}));
}

async fn control(sandbox: &Sandbox, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/sandbox/{path}", sandbox.telegram_url);
    let response = client().post(url).json(&body).send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

async fn look(sandbox: &Sandbox, path: &str) -> Value {
    let url = format!("{}/sandbox/{path}", sandbox.telegram_url);
    read(client().get(url).send().await.expect("an answer")).await.1
}

#[tokio::test]
async fn limits_are_switched_on_over_http_and_counted() {
    let sandbox = sandbox().await;
    sandbox.say(CHAT, 5, "hello");
    let slow = json!({"profile": "strict", "private_every_ms": 60_000, "retry_after_s": 7});
    assert_eq!(control(&sandbox, "limits", slow).await.1["private_every_ms"], 60_000);
    let (wrong, why) = control(&sandbox, "limits", json!("mild")).await;
    assert_eq!((wrong, why["error"].as_str().is_some_and(|why| why.contains("mild"))), (400, true));
    let text = json!({"chat_id": 5, "text": "x"});
    assert_eq!(call(&sandbox, "sendMessage", text.clone()).await.0, 200);
    let url = format!("{}/bot{TOKEN}/sendMessage", sandbox.telegram_url);
    let refused = client().post(url).json(&text).send().await.expect("an answer");
    let header = refused.headers()["retry-after"].to_str().expect("a header").to_owned();
    let (status, body) = read(refused).await;
    let wait = body["parameters"]["retry_after"].as_u64().expect("a wait");
    assert_eq!((status, header, wait), (429, wait.to_string(), 60));
    assert_eq!(body["description"], "Too Many Requests: retry after 60");
    assert_eq!(call(&sandbox, "sendMessage", text).await.1["parameters"]["retry_after"], 180);
    let stats = look(&sandbox, "stats").await;
    let expected =
        json!({"calls": {"sendMessage": {"200": 1, "429": 2}}, "too_many_requests": 2, "inside_window": 1});
    assert_eq!(stats, expected);
    let windows = look(&sandbox, "windows?bot=77").await;
    assert_eq!((&windows[0]["chat"], &windows[0]["calls_inside"]), (&json!(5), &json!(1)));
    let calls = look(&sandbox, "calls").await;
    assert_eq!((&calls[2]["inside_window"], &calls[2]["refused_by"]), (&json!(true), &json!("messages")));
    assert_eq!(control(&sandbox, "limits", json!("off")).await.1["on"], false);
    assert_eq!(call(&sandbox, "sendMessage", json!({"chat_id": 5, "text": "x"})).await.0, 200);
}

#[tokio::test]
async fn a_draft_is_shown_and_stopped_over_http() {
    let sandbox = sandbox().await;
    sandbox.say(CHAT, 5, "hello");
    let (_, url, server) = start_hook(vec![]);
    let allowed = json!({"url": url, "allowed_updates": ["stopped_message_generation"]});
    call(&sandbox, "setWebhook", allowed).await;
    let mut events = sandbox.subscribe();
    let draft = json!({"chat_id": 5, "draft_id": 9, "text": "Hel", "can_stop": true});
    assert_eq!(call(&sandbox, "sendMessageDraft", draft).await, (200, json!({"ok": true, "result": true})));
    assert_eq!(look(&sandbox, "draft?bot=77&chat=5").await["text"], "Hel");
    let stopped = control(&sandbox, "stop", json!({"bot": 77, "chat": 5})).await;
    assert!(stopped.1["update_id"].is_i64(), "{stopped:?}");
    assert_eq!(control(&sandbox, "stop", json!({"bot": 77, "chat": 5})).await.1["update_id"], Value::Null);
    assert_eq!(look(&sandbox, "draft?bot=77&chat=5").await, Value::Null);
    let shown = events.recv().await.expect("an event").what;
    let gone = events.recv().await.expect("an event").what;
    assert_eq!(shown, What::DraftShown { draft_id: 9, text: "Hel".into() });
    assert_eq!(gone, What::DraftGone { draft_id: 9, why: GoneWhy::Stopped });
    let pending = || sandbox.world().with(|world, _| world.pending_count(77));
    until("the webhook has the stop", || pending() <= 1).await;
    let journal = look(&sandbox, "journal").await;
    assert_eq!(journal[2]["what"], json!({"kind": "draft_gone", "draft_id": 9, "why": "stopped"}));
    server.stop(false).await;
}

#[tokio::test]
async fn chaos_brings_updates_twice_and_breaks_calls() {
    let chaos = Chaos { doubled_webhook_percent: 100, ..Chaos::default() };
    let retry = Retry { first_ms: 20, most_ms: 40 };
    let options = Options { chaos, retry, limits: Limits::telegram(), ..Options::default() };
    let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
    let (hook, url, server) = start_hook(vec![]);
    call(&sandbox, "setWebhook", json!({"url": url})).await;
    sandbox.say(CHAT, 5, "one");
    sandbox.say(CHAT, 5, "two");
    until("all are delivered", || hook.seen.lock().expect("no panic").len() == 4).await;
    let texts: Vec<_> = hook.seen.lock().expect("no panic").iter().map(|(_, text, _)| text.clone()).collect();
    assert_eq!(texts, ["one", "one", "two", "two"]);
    assert_eq!(control(&sandbox, "chaos", json!({"lost_reply_percent": 100})).await.0, 200);
    assert_eq!(control(&sandbox, "chaos", json!({"lost_replies": 1})).await.0, 400);
    let url = format!("{}/bot{TOKEN}/sendMessage", sandbox.telegram_url);
    let lost = client().post(url).json(&json!({"chat_id": 5, "text": "x"})).send().await;
    assert!(lost.is_err() || lost.expect("a response").bytes().await.is_err());
    assert_eq!(sandbox.world().view(77, 5).len(), 3);
    server.stop(false).await;
}

#[tokio::test]
async fn a_streamed_answer_has_the_shape_of_openais() {
    let sandbox = sandbox().await;
    let mut body = question("#first=1 #gap=1 #delta=3 #say=Hello you", true);
    body["stream_options"] = json!({"include_usage": true});
    let response = ask(&sandbox, body).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    let (chunks, done) = events(&response.text().await.expect("a text"));
    assert!(done);
    assert_eq!(
        chunks[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": "", "refusal": null})
    );
    let text: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "Hello you");
    let [.., end, usage] = chunks.as_slice() else { panic!("{chunks:?}") };
    assert_eq!((&end["choices"][0]["finish_reason"], &end["usage"]), (&json!("stop"), &Value::Null));
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(3)));
    let same = |chunk: &Value| chunk["object"] == "chat.completion.chunk" && chunk["id"] == chunks[0]["id"];
    assert!(chunks.iter().all(same));
}

#[tokio::test]
async fn tool_calls_stream_in_fragments() {
    let sandbox = sandbox().await;
    let mut body = question("How many grams is a cup of flour? #first=1 #gap=1", true);
    body["tools"] = json!([{"type": "function", "function": {"name": "convert_units", "parameters": {}}}]);
    let (chunks, done) = events(&ask(&sandbox, body).await.text().await.expect("a text"));
    let calls: Vec<_> =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].get(0)).collect();
    assert_eq!((&calls[0]["function"]["name"], &calls[0]["index"]), (&json!("convert_units"), &json!(0)));
    assert!(calls.len() > 3 && calls[1].get("id").is_none());
    let arguments: String = calls.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
    let arguments: Value = serde_json::from_str(&arguments).expect("JSON");
    assert_eq!(arguments, json!({"value": 1, "from": "cup", "to": "g", "ingredient": "flour"}));
    let last = chunks.last().expect("chunks");
    assert_eq!((&last["choices"][0]["finish_reason"], done), (&json!("tool_calls"), true));
}

#[tokio::test]
async fn the_model_refuses_as_openai_does() {
    let sandbox = sandbox().await;
    for stream in [false, true] {
        let response = ask(&sandbox, question("x #first=1 #fail=429", stream)).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (429, &"2".parse().expect("a header"))
        );
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(body["error"]["code"], "rate_limit_exceeded");
    }
    let url = format!("{}/chat/completions", sandbox.model_url);
    let nobody = client().post(&url).json(&question("x", false)).send().await.expect("an answer");
    assert_eq!(nobody.status(), 401);
    let broken = client().post(&url).bearer_auth("key").body("{").send().await.expect("an answer");
    assert_eq!(read(broken).await.0, 400);
    assert_eq!(ask(&sandbox, json!({"model": "m"})).await.status(), 400);
    let elsewhere = client().get(format!("{}/nothing", sandbox.model_url)).send().await.expect("an answer");
    assert_eq!(elsewhere.status(), 404);
}

#[tokio::test]
async fn an_answer_breaks_half_way() {
    let sandbox = sandbox().await;
    let broken = ask(&sandbox, question("#first=1 #gap=1 #chars=900 #break=200", true)).await;
    assert_eq!(broken.status(), 200);
    assert!(broken.text().await.is_err(), "the connection breaks");
    assert!(ask(&sandbox, question("#first=1 #gap=0 #break=5", false)).await.text().await.is_err());
    let text = ask(&sandbox, question("#first=1 #gap=1 #break=50 #fail=500", true))
        .await
        .text()
        .await
        .expect("a text");
    let (chunks, done) = events(&text);
    assert_eq!((&chunks.last().expect("chunks")["error"]["type"], done), (&json!("server_error"), false));
    let garbage = ask(&sandbox, question("#first=1 #garbage", false)).await;
    assert!(garbage.json::<Value>().await.is_err());
}

#[tokio::test]
async fn ports_are_freed_and_a_taken_one_is_an_error() {
    let first = sandbox().await;
    let port = first.telegram_url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let options = Options { telegram_port: port, ..Options::default() };
    let error = Sandbox::start(options).await.expect_err("the port is taken");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    first.stop().await.expect("a clean end");
    Sandbox::start(options).await.expect("the port is free again").stop().await.expect("a clean end");
}
