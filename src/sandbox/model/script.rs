//! A model's answer as a timeline.

use crate::domain::chat::{ChatMessage, Reply, ToolCall};

use super::ask::{Offered, Turn};
use super::cook;
use super::directives::Directives;
use super::failure::Failure;
use super::served;
use super::wishes;

/// Milliseconds to the first piece, unless the message says otherwise.
const FIRST_MS: u64 = 400;
/// Milliseconds between pieces, unless the message says otherwise.
const GAP_MS: u64 = 30;
/// Characters of one piece after the other, unless the message says otherwise.
const DELTAS: [usize; 7] = [4, 3, 6, 2, 5, 4, 7];
/// Bytes of a tool call's arguments that come at once.
const FRAGMENT_CHARS: usize = 9;

/// An answer as a timeline. It ends with its first step that is neither a delta nor a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Milliseconds from the request to the first step; to the answer when it is asked for whole,
    /// so that a message shapes the wait to the same length either way.
    pub first_ms: u64,
    /// The steps, each with the milliseconds since the one before; the first step's are added to
    /// `first_ms`.
    pub steps: Vec<(u64, Step)>,
}

/// Something that the model does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// More text.
    Delta(String),
    /// A part of a tool call.
    ToolCallFragment {
        /// Which of the calls, from 0.
        index: usize,
        /// Its id, with the first fragment only.
        id: Option<String>,
        /// The tool's name, with the first fragment only.
        name: Option<String>,
        /// More of the arguments' JSON text.
        arguments: String,
    },
    /// A refusal; after deltas it is an error object in the stream.
    Error(Failure),
    /// The connection breaks.
    Break,
    /// Nothing more comes, and the connection stays.
    Hang,
    /// Bytes that are no answer.
    Garbage,
    /// The answer is complete.
    End {
        /// `stop`, `tool_calls`, `length` or `content_filter`.
        finish_reason: String,
    },
}

/// How an answer ends when it is asked for whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Whole {
    /// It is complete.
    Reply(Reply),
    /// It is refused.
    Failed(Failure),
    /// The connection breaks.
    Broken,
    /// It never comes.
    Hanging,
    /// It is no answer.
    Garbage,
}

/// How fast an answer comes.
struct Pace {
    first_ms: u64,
    gap_ms: u64,
    delta: Option<usize>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first_ms: FIRST_MS, gap_ms: GAP_MS, delta: None }
    }
}

impl Script {
    /// The script of a request: its directives, a tool where the question calls for one, else a
    /// cook's answer.
    pub fn for_request(messages: &[ChatMessage], tools: &[Offered]) -> Self {
        let turn = Turn::read(messages);
        let asked = Directives::read(turn.question);
        let pace = Pace {
            first_ms: asked.first_ms.unwrap_or(FIRST_MS),
            gap_ms: asked.gap_ms.unwrap_or(GAP_MS),
            delta: asked.delta,
        };
        let calls = wishes::calls(&turn, &asked, tools);
        if !calls.is_empty() {
            return Self::paced(&pace, fragments(&calls), end("tool_calls"));
        }
        let last = last_step(&asked);
        if last.is_some() && asked.break_at.is_none() {
            return Self::paced(&pace, Vec::new(), last.unwrap_or(Step::Break));
        }
        let mut text = text_of(&turn, &asked);
        if let Some(chars) = asked.break_at {
            text = text.chars().take(chars).collect();
        }
        let last = last.or(asked.break_at.map(|_| Step::Break)).unwrap_or_else(|| end("stop"));
        let deltas = deltas(&text, pace.delta);
        Self::paced(&pace, deltas, last)
    }

    /// An answer with this text at the usual pace.
    pub fn answer(text: &str) -> Self {
        Self::paced(&Pace::default(), deltas(text, None), end("stop"))
    }

    /// These texts, each a delta.
    pub fn deltas<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        let steps = texts.into_iter().map(|text| Step::Delta(text.into())).collect();
        Self::paced(&Pace::default(), steps, end("stop"))
    }

    /// Asks for these tools.
    pub fn tools(calls: &[ToolCall]) -> Self {
        Self::paced(&Pace::default(), fragments(calls), end("tool_calls"))
    }

    /// A refusal.
    pub fn failure(failure: Failure) -> Self {
        Self::paced(&Pace::default(), Vec::new(), Step::Error(failure))
    }

    /// Nothing, for ever.
    pub fn hang() -> Self {
        Self::paced(&Pace::default(), Vec::new(), Step::Hang)
    }

    /// So many milliseconds to the first step.
    pub fn first_ms(self, first_ms: u64) -> Self {
        Self { first_ms, ..self }
    }

    /// So many milliseconds between the steps.
    pub fn gap_ms(mut self, gap_ms: u64) -> Self {
        self.steps.iter_mut().skip(1).for_each(|step| step.0 = gap_ms);
        self
    }

    /// Ends, after what it has, with another step.
    pub fn ending(mut self, step: Step) -> Self {
        let gap = self.steps.pop().map_or(0, |(gap, _)| gap);
        self.steps.push((gap, step));
        self
    }

    fn paced(pace: &Pace, steps: Vec<Step>, last: Step) -> Self {
        let gaps = std::iter::once(0).chain(std::iter::repeat(pace.gap_ms));
        Self { first_ms: pace.first_ms, steps: gaps.zip(steps.into_iter().chain([last])).collect() }
    }

    /// The answer for somebody who asked for it whole.
    pub fn whole(&self) -> Whole {
        let mut reply = Reply::default();
        for (_, step) in &self.steps {
            match step {
                Step::Delta(_) | Step::ToolCallFragment { .. } => join(&mut reply, step),
                Step::Error(failure) => return Whole::Failed(failure.clone()),
                Step::Break => return Whole::Broken,
                Step::Hang => return Whole::Hanging,
                Step::Garbage => return Whole::Garbage,
                Step::End { finish_reason } => {
                    reply.finish_reason = Some(finish_reason.clone());
                    return Whole::Reply(reply);
                }
            }
        }
        Whole::Broken
    }
}

/// Adds a delta or a fragment to what is there.
pub(super) fn join(reply: &mut Reply, step: &Step) {
    match step {
        Step::Delta(text) => reply.content += text,
        Step::ToolCallFragment { index, id, name, arguments } => {
            while reply.tool_calls.len() <= *index {
                reply.tool_calls.push(ToolCall::function("", "", ""));
            }
            let call = &mut reply.tool_calls[*index];
            call.id += id.as_deref().unwrap_or_default();
            call.function.name += name.as_deref().unwrap_or_default();
            call.function.arguments += arguments;
        }
        _ => {}
    }
}

/// How the directives have the answer end, unless it is complete.
fn last_step(asked: &Directives) -> Option<Step> {
    let failure = asked.fail.as_deref().map(|name| Step::Error(Failure::named(name)));
    failure.or(asked.hang.then_some(Step::Hang)).or(asked.garbage.then_some(Step::Garbage))
}

fn text_of(turn: &Turn<'_>, asked: &Directives) -> String {
    if asked.empty {
        return String::new();
    }
    if let Some(words) = &asked.say {
        return words.clone();
    }
    if let Some(chars) = asked.chars {
        return cook::of_length(chars);
    }
    if turn.served.is_empty() {
        return cook::answer(&asked.rest).to_owned();
    }
    served::answer(&asked.rest, &turn.served)
}

fn deltas(text: &str, size: Option<usize>) -> Vec<Step> {
    let mut sizes = DELTAS.iter().copied().cycle();
    let mut chars = text.chars();
    let mut next = || {
        let take = size.unwrap_or_else(|| sizes.next().unwrap_or(1)).max(1);
        let piece: String = chars.by_ref().take(take).collect();
        (!piece.is_empty()).then_some(Step::Delta(piece))
    };
    std::iter::from_fn(&mut next).collect()
}

/// As providers send them: the name first, then the arguments bit by bit, call after call.
fn fragments(calls: &[ToolCall]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        let (id, name) = (Some(call.id.clone()), Some(call.function.name.clone()));
        steps.push(Step::ToolCallFragment { index, id, name, arguments: String::new() });
        let chars: Vec<char> = call.function.arguments.chars().collect();
        steps.extend(chars.chunks(FRAGMENT_CHARS).map(|piece| Step::ToolCallFragment {
            index,
            id: None,
            name: None,
            arguments: piece.iter().collect(),
        }));
    }
    steps
}

fn end(finish_reason: &str) -> Step {
    Step::End { finish_reason: finish_reason.to_owned() }
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;
