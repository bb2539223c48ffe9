//! A turn's tools: run side by side, each result on record as it comes.

use std::future::ready;
use std::time::Duration;

use actix::fut::wrap_stream;
use actix::{ActorStreamExt, AsyncContext, Context};
use futures::FutureExt;
use futures::stream::FuturesUnordered;

use super::Conversation;
use super::listening::Work;
use crate::domain::chat::ToolCall;
use crate::edge::tools::Toolbox;
use crate::failpoint;
use crate::messages::SaveMessages;
use crate::port::{Station, witness};

/// So many tools run at once in a conversation: a person can have a model ask for hundreds.
const MAX_AT_ONCE: usize = 16;

const TOOLS: Station = Station::shared("tools");

impl Conversation {
    pub(super) fn run_tools(&mut self, calls: Vec<ToolCall>, ctx: &mut Context<Self>) {
        self.save_messages();
        let timeout = self.settings.tool_timeout;
        let tools = &self.with.tools;
        for call in &calls {
            let line = format_args!("call {}", call.function.name);
            witness(self.me(), TOOLS, &line, Some(&call.function.arguments));
        }
        let run = |(place, call)| match place < MAX_AT_ONCE {
            true => run_tool(tools, call, timeout).left_future(),
            false => ready(too_many(call)).right_future(),
        };
        let results: FuturesUnordered<_> = calls.into_iter().enumerate().map(run).collect();
        let turn = self.running.as_ref().map(|running| running.stored.id);
        let ran = wrap_stream(results).map(move |(id, result), this: &mut Self, ctx: &mut Context<Self>| {
            if this.is_at(turn) {
                this.tool_ran(&id, result, ctx);
            }
        });
        let call = ctx.spawn(ran.finish());
        if let Some(running) = &mut self.running {
            running.call = Some(Work::Context(call));
        }
    }

    fn tool_ran(&mut self, id: &str, result: String, ctx: &mut Context<Self>) {
        witness(TOOLS, self.me(), &format_args!("result of {id}"), Some(&result));
        let turn = self.running.as_mut().and_then(|running| running.turn.as_mut());
        let next = turn.and_then(|turn| turn.tool_ran(id, result));
        self.save_messages();
        if let Some(next) = next {
            failpoint::reach("after_tools");
            self.forget_call();
            self.go_on(next, ctx);
        }
    }

    /// So that a turn which is taken up after a restart does not run a tool twice.
    fn save_messages(&self) {
        let Some(running) = &self.running else { return };
        let Some(turn) = &running.turn else { return };
        let save =
            SaveMessages { key: self.key, turn: running.stored.id, messages: turn.messages().to_vec() };
        self.ports.save_messages.tell_if_there(save);
    }
}

fn too_many(call: ToolCall) -> (String, String) {
    (call.id, format!("error: more than {MAX_AT_ONCE} tools at once; call this one again in the next round"))
}

/// The result for the model, whatever happens: an error is a result too.
fn run_tool(
    tools: &Toolbox,
    call: ToolCall,
    timeout: Duration,
) -> impl Future<Output = (String, String)> + use<> {
    let name = call.function.name;
    let result = tools.call(&name, &call.function.arguments);
    tokio::time::timeout(timeout, result).map(move |result| {
        failpoint::reach("between_tools");
        let text = match result {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => format!("error: {error}"),
            Err(_) => format!("error: '{name}' did not answer within {} s", timeout.as_secs_f64()),
        };
        (call.id, text)
    })
}
