//! The simulated model: Chat Completions at a pace that is drawn, for thousands of streams at once.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::answer::{self, Plan, delta_ends};
use super::http::{Connection, Request, json_response};
use super::hub::Hub;
use super::judge::Moment;
use super::stats::Metric;

/// What stands around the text of every delta, as OpenAI writes it.
const BEFORE: &str = "data: {\"id\":\"chatcmpl-load\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
    \"model\":\"load\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_load\",\
    \"choices\":[{\"index\":0,\"delta\":";
const AFTER: &str = ",\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n\
    cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
/// No distribution makes anybody wait longer.
const LONGEST: Duration = Duration::from_secs(1_000_000_000);
/// So much is written at once where the model does not pause, in bytes.
const FULL_WRITE: usize = 16 * 1024;

/// A request as far as it matters.
///
/// Found by looking for the few bytes that matter and not by parsing all of it: with the history
/// of a long talk a body has a hundred kilobytes. Inside of a JSON text a quote has a backslash
/// before it, so none of these can be mistaken for what somebody said.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    chat: i64,
    turn: u32,
    streamed: bool,
    with_usage: bool,
    with_tools: bool,
    /// Rounds of tools since the question.
    rounds: u32,
}

impl Asked {
    fn read(body: &str) -> Option<Self> {
        let (chat, turn, after) = answer::last_question(body)?;
        let has = |compact: &str, spaced: &str| body.contains(compact) || body.contains(spaced);
        let results =
            after.matches("\"role\":\"tool\"").count() + after.matches("\"role\": \"tool\"").count();
        Some(Self {
            chat,
            turn,
            streamed: has("\"stream\":true", "\"stream\": true"),
            with_usage: has("\"include_usage\":true", "\"include_usage\": true"),
            with_tools: has("\"tools\":[{", "\"tools\": [{"),
            rounds: u32::try_from(results).unwrap_or(u32::MAX),
        })
    }
}

/// Serves a bot's connection until it closes.
pub(super) async fn serve(hub: Rc<Hub>, mut connection: Connection) {
    while let Ok(Some(request)) = connection.request().await {
        let answered = if request.path.ends_with("/chat/completions") {
            complete(&hub, &mut connection, &request).await
        } else {
            connection.write(&refusal(404, "only chat/completions is here")).await
        };
        if answered.is_err() {
            return;
        }
    }
}

async fn complete(hub: &Hub, connection: &mut Connection, request: &Request) -> io::Result<()> {
    let Some(asked) = std::str::from_utf8(&request.body).ok().and_then(Asked::read) else {
        return connection.write(&refusal(400, "the request holds no question of this load test")).await;
    };
    if let Some(peer) = hub.peers.with(asked.chat) {
        return hub.peers.complete(peer, request, connection).await;
    }
    hub.stats.borrow_mut().counts.model_calls += 1;
    let plan = Plan::of(&hub.profile, asked.chat, asked.turn);
    let calls_tool = asked.with_tools && asked.rounds < plan.tool_rounds;
    let first = Instant::now() + ms(plan.first_ms);
    match (calls_tool, asked.streamed) {
        (true, streamed) => {
            sleep_until(first).await;
            connection.write(&tool_call(&asked, streamed)).await
        }
        (false, false) => {
            sleep_until(first).await;
            whole(hub, connection, &asked, &plan).await
        }
        (false, true) => Stream::new(hub, &asked, plan).run(connection, first).await,
    }
}

/// A milliseconds' number as a time.
pub(super) fn ms(number: f64) -> Duration {
    Duration::try_from_secs_f64(number / 1000.0)
        .map_or_else(|_| if number > 0.0 { LONGEST } else { Duration::ZERO }, |time| time.min(LONGEST))
}

fn refusal(status: u16, why: &str) -> Vec<u8> {
    json_response(status, "", &serde_json::json!({"error": {"message": why, "type": "load"}}).to_string())
}

async fn whole(hub: &Hub, connection: &mut Connection, asked: &Asked, plan: &Plan) -> io::Result<()> {
    let message = serde_json::json!({"role": "assistant", "content": plan.text});
    let now = Instant::now();
    hub.emitted(asked.chat, asked.turn, Moment::Filled, now);
    hub.emitted(asked.chat, asked.turn, Moment::Last, now);
    connection.write(&completion(&message, "stop")).await
}

fn completion(message: &serde_json::Value, finish_reason: &str) -> Vec<u8> {
    let body = serde_json::json!({
        "id": "chatcmpl-load", "object": "chat.completion", "created": 1_700_000_000, "model": "load",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    });
    json_response(200, "", &body.to_string())
}

/// A round of tools: the calculator, which costs the bot little.
fn tool_call(asked: &Asked, streamed: bool) -> Vec<u8> {
    let id = format!("call_{}_{}_{}", asked.chat, asked.turn, asked.rounds);
    let function = serde_json::json!({"name": "calculate", "arguments": "{\"expression\":\"17*3\"}"});
    let mut call = serde_json::json!({"id": id, "type": "function", "function": function});
    if !streamed {
        let message = serde_json::json!({"role": "assistant", "content": null, "tool_calls": [call]});
        return completion(&message, "tool_calls");
    }
    call["index"] = 0.into();
    let delta = serde_json::json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let mut out = STREAM_HEAD.as_bytes().to_vec();
    push_chunk(&mut out, &[BEFORE, &delta.to_string(), AFTER]);
    push_end(&mut out, "tool_calls", asked.with_usage);
    out
}

/// An answer on its way.
struct Stream<'a> {
    hub: &'a Hub,
    plan: Plan,
    chat: i64,
    turn: u32,
    with_usage: bool,
    ends: Vec<usize>,
    /// The delta with which the first chunk is full.
    filled_with: usize,
    next: usize,
    out: Vec<u8>,
}

impl<'a> Stream<'a> {
    fn new(hub: &'a Hub, asked: &Asked, plan: Plan) -> Self {
        let ends = delta_ends(&plan.text, plan.deltas);
        // One character more than fits must be there, or nobody knows where to cut.
        let full = plan.text.char_indices().nth(hub.profile.bot.chunk_chars).map(|(start, _)| start);
        let filled_with = full.map_or(ends.len() - 1, |full| ends.partition_point(|end| *end <= full));
        let (chat, turn, with_usage) = (asked.chat, asked.turn, asked.with_usage);
        Self { hub, plan, chat, turn, with_usage, ends, filled_with, next: 0, out: Vec::new() }
    }

    async fn run(mut self, connection: &mut Connection, first: Instant) -> io::Result<()> {
        connection.write(STREAM_HEAD.as_bytes()).await?;
        let mut due = first;
        push_chunk(
            &mut self.out,
            &[BEFORE, "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", AFTER],
        );
        while self.next < self.ends.len() {
            let mut now = Instant::now();
            if due > now {
                sleep_until(due).await;
                now = Instant::now();
            }
            let late = now.saturating_duration_since(due);
            let from = self.next;
            while due <= now && self.next < self.ends.len() && self.out.len() < FULL_WRITE {
                self.push_delta();
                due += ms(self.hub.profile.model.gap_ms.draw(&mut self.plan.random));
            }
            self.emitted(from, now, late);
            if self.next == self.ends.len() {
                push_end(&mut self.out, "stop", self.with_usage);
            }
            connection.write(&self.out).await?;
            self.out.clear();
        }
        Ok(())
    }

    fn push_delta(&mut self) {
        let start = if self.next == 0 { 0 } else { self.ends[self.next - 1] };
        let text = &self.plan.text[start..self.ends[self.next]];
        // Line ends are all that JSON wants escaped in what is written here.
        if text.contains('\n') {
            let escaped = text.replace('\n', "\\n");
            push_chunk(&mut self.out, &[BEFORE, "{\"content\":\"", &escaped, "\"}", AFTER]);
        } else {
            push_chunk(&mut self.out, &[BEFORE, "{\"content\":\"", text, "\"}", AFTER]);
        }
        self.next += 1;
    }

    /// Says what goes out now, just before it does.
    fn emitted(&self, from: usize, now: Instant, late: Duration) {
        let mut stats = self.hub.stats.borrow_mut();
        stats.counts.deltas += (self.next - from) as u64;
        stats.record(Metric::Late, late);
        drop(stats);
        if (from..self.next).contains(&self.filled_with) {
            self.hub.emitted(self.chat, self.turn, Moment::Filled, now);
        }
        if self.next == self.ends.len() {
            self.hub.emitted(self.chat, self.turn, Moment::Last, now);
        }
    }
}

/// One chunk of the body's coding.
fn push_chunk(out: &mut Vec<u8>, pieces: &[&str]) {
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    out.extend_from_slice(format!("{bytes:x}\r\n").as_bytes());
    for piece in pieces {
        out.extend_from_slice(piece.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn push_end(out: &mut Vec<u8>, finish_reason: &str, with_usage: bool) {
    let end = AFTER.replace("\"finish_reason\":null", &format!("\"finish_reason\":\"{finish_reason}\""));
    push_chunk(out, &[BEFORE, "{}", &end]);
    if with_usage {
        let usage = "data: {\"id\":\"chatcmpl-load\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
            \"model\":\"load\",\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\
            \"total_tokens\":2}}\n\n";
        push_chunk(out, &[usage]);
    }
    push_chunk(out, &["data: [DONE]\n\n"]);
    out.extend_from_slice(b"0\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_matters_of_a_request_is_found_whoever_wrote_it() {
        let body = json!({
            "model": "m", "stream": true, "stream_options": {"include_usage": true}, "tools": [{"x": 1}],
            "messages": [
                {"role": "user", "content": answer::question(5, 1)},
                {"role": "tool", "content": "of an older turn"},
                {"role": "user", "content": format!("\"stream\":false \n {}", answer::question(5, 2))},
                {"role": "assistant", "tool_calls": []},
                {"role": "tool", "content": "\"role\":\"tool\""},
            ],
        });
        let expected =
            Asked { chat: 5, turn: 2, streamed: true, with_usage: true, with_tools: true, rounds: 1 };
        assert_eq!(Asked::read(&body.to_string()).as_ref(), Some(&expected));
        // Other libraries put a space after each colon.
        let spaced = body.to_string().replace("\":", "\": ");
        assert_eq!(Asked::read(&spaced).as_ref(), Some(&expected));
        let plain = json!({"messages": [{"role": "user", "content": answer::question(5, 2)}]}).to_string();
        let expected = Asked { streamed: false, with_usage: false, with_tools: false, rounds: 0, ..expected };
        assert_eq!(Asked::read(&plain), Some(expected));
    }

    #[test]
    fn a_time_beyond_all_measure_is_long_and_not_none() {
        assert_eq!(ms(1_500.0), Duration::from_millis(1_500));
        assert_eq!(ms(1e300), Duration::from_secs(1_000_000_000));
        assert_eq!((ms(-1.0), ms(f64::NAN)), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn every_event_is_json() {
        let mut out = Vec::new();
        push_chunk(&mut out, &[BEFORE, "{\"content\":\"x\"}", AFTER]);
        push_end(&mut out, "stop", true);
        let text = String::from_utf8(out).unwrap();
        let events: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        let [delta, end, usage, done] = events[..] else { panic!("{events:?}") };
        let read = |event: &str| serde_json::from_str::<serde_json::Value>(event).unwrap();
        assert_eq!(read(delta)["choices"][0]["delta"]["content"], "x");
        assert_eq!(read(end)["choices"][0]["finish_reason"], "stop");
        assert_eq!((&read(usage)["usage"]["total_tokens"], done), (&json!(2), "[DONE]"));
    }
}
