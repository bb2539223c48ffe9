//! A model in memory: the trait [`Model`] in tokio time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream;

use crate::domain::chat::{ChatMessage, Reply, Usage};
use crate::edge::llm::{Model, ModelError, Piece, Pieces, Request};

use super::ask::Offered;
use super::failure::Failure;
use super::script::{Script, Step, Whole, join};
use super::wire::usage;

/// Chooses the script of a request.
type Choice = Arc<dyn Fn(&Request) -> Script + Send + Sync>;

/// A model without a network. Clones are handles on the same model.
#[derive(Clone)]
pub struct MemoryModel(Arc<Inner>);

struct Inner {
    choose: Choice,
    queue: Mutex<VecDeque<Script>>,
    requests: Mutex<Vec<Request>>,
    running: AtomicUsize,
}

impl Default for MemoryModel {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryModel {
    /// Answers by the messages, directives included.
    pub fn new() -> Self {
        Self::choosing(script_of)
    }

    /// Answers with the script that `choose` returns.
    pub fn choosing(choose: impl Fn(&Request) -> Script + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            choose: Arc::new(choose),
            queue: Mutex::default(),
            requests: Mutex::default(),
            running: AtomicUsize::new(0),
        }))
    }

    /// Answers with these scripts, one a request; when they are used up, by the messages.
    pub fn queue(scripts: impl IntoIterator<Item = Script>) -> Self {
        let model = Self::new();
        scripts.into_iter().for_each(|script| model.push(script));
        model
    }

    /// One more script for a request to come.
    pub fn push(&self, script: Script) {
        lock(&self.0.queue).push_back(script);
    }

    /// The requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.0.requests).clone()
    }

    /// How many requests are being answered: one that was dropped counts no more.
    pub fn running(&self) -> usize {
        self.0.running.load(Ordering::SeqCst)
    }

    fn take(&self, request: Request) -> (Script, Usage, Running) {
        let queued = lock(&self.0.queue).pop_front();
        let script = queued.unwrap_or_else(|| (self.0.choose)(&request));
        let used = usage(&messages(&request), &script);
        lock(&self.0.requests).push(request);
        self.0.running.fetch_add(1, Ordering::SeqCst);
        (script, used, Running(self.0.clone()))
    }
}

/// Counts a request for as long as somebody waits for it.
struct Running(Arc<Inner>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Model for MemoryModel {
    fn complete(&self, request: Request) -> BoxFuture<'static, Result<Reply, ModelError>> {
        let (script, used, running) = self.take(request);
        Box::pin(async move {
            let _running = running;
            tokio::time::sleep(Duration::from_millis(script.first_ms)).await;
            match script.whole() {
                Whole::Reply(reply) => Ok(Reply { usage: Some(used), ..reply }),
                Whole::Failed(failure) => Err(told_apart(failure)),
                Whole::Broken => Err(ModelError::Broken("the connection closed before the end".into())),
                Whole::Garbage => Err(ModelError::Broken("the answer is no JSON".into())),
                Whole::Hanging => std::future::pending().await,
            }
        })
    }

    fn stream(&self, request: Request) -> BoxFuture<'static, Result<Pieces, ModelError>> {
        let (mut script, used, running) = self.take(request);
        Box::pin(async move {
            if let [(gap, Step::Error(failure))] = script.steps.as_slice() {
                tokio::time::sleep(Duration::from_millis(script.first_ms + gap)).await;
                return Err(told_apart(failure.clone()));
            }
            if let Some(first) = script.steps.first_mut() {
                first.0 += script.first_ms;
            }
            let play = Play {
                steps: script.steps.into(),
                reply: Reply { usage: Some(used), ..Reply::default() },
                running,
            };
            Ok(Pieces::of(stream::unfold(Some(play), Play::next).boxed()))
        })
    }
}

/// A script being played to somebody.
struct Play {
    steps: VecDeque<(u64, Step)>,
    reply: Reply,
    running: Running,
}

impl Play {
    async fn next(play: Option<Self>) -> Option<(Result<Piece, ModelError>, Option<Self>)> {
        let mut play = play?;
        loop {
            let (gap, step) = play.steps.pop_front().unwrap_or((0, Step::Break));
            if gap > 0 {
                tokio::time::sleep(Duration::from_millis(gap)).await;
            }
            let last = match step {
                Step::Delta(text) => return Some((Ok(Piece::Text(text)), Some(play))),
                Step::ToolCallFragment { .. } => {
                    join(&mut play.reply, &step);
                    continue;
                }
                Step::Hang => std::future::pending().await,
                Step::Error(failure) => Err(told_apart(failure)),
                Step::Break => Err(ModelError::Broken("the connection closed before the end".into())),
                Step::Garbage => Err(ModelError::Broken("a line of the answer is no JSON".into())),
                Step::End { finish_reason } => {
                    play.reply.finish_reason = Some(finish_reason);
                    Ok(Piece::End(std::mem::take(&mut play.reply)))
                }
            };
            drop(play.running);
            return Some((last, None));
        }
    }
}

/// The script that a request's messages ask for.
fn script_of(request: &Request) -> Script {
    let tools: Vec<Offered> = request.tools.iter().map(Offered::from).collect();
    Script::for_request(&messages(request), &tools)
}

fn messages(request: &Request) -> Vec<ChatMessage> {
    request.messages.iter().map(|message| ChatMessage::clone(message)).collect()
}

/// As the real client tells errors apart.
fn told_apart(failure: Failure) -> ModelError {
    let message = failure.message;
    match failure.status {
        401 | 403 => ModelError::Unauthorised(message),
        429 => ModelError::RateLimited { wait: failure.retry_after_s.map(Duration::from_secs), message },
        500.. => ModelError::Overloaded(message),
        _ if failure.code.as_deref() == Some("context_length_exceeded") => {
            ModelError::ContextTooLong(message)
        }
        _ => ModelError::BadRequest(message),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
