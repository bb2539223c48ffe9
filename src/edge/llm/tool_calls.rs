//! Tool calls, joined from the fragments of a stream.

use serde_json::Value;

use super::event::{Call, Function};
use crate::domain::chat::ToolCall;

/// The tool calls of one answer so far.
#[derive(Debug, Default)]
pub(super) struct ToolCalls {
    slots: Vec<Slot>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Slot {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    extra_content: Option<Value>,
}

impl ToolCalls {
    /// Joins a fragment to the call that it belongs to. `whole` says that it is no fragment but a
    /// call of its own.
    pub fn join(&mut self, call: Call<'_>, whole: bool) {
        let function = call.function.unwrap_or_default();
        let (index, id) = (call.index.0, &*call.id.0);
        let found = if whole { None } else { self.find(index, id, &function) };
        let position = found.unwrap_or_else(|| self.open(index));
        let slot = &mut self.slots[position];
        self.bytes += slot.add(id, &function);
        slot.extra_content = call.extra_content.or(slot.extra_content.take());
    }

    /// Size of names and arguments, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The calls in order of their index; those without an index stand where they came.
    pub fn finish(mut self) -> Vec<ToolCall> {
        self.slots.retain(|slot| !(slot.name.is_empty() && slot.arguments.is_empty()));
        self.slots.sort_by_key(|slot| slot.index.unwrap_or(u64::MAX));
        let ids: Vec<String> = self.slots.iter().map(|slot| slot.id.clone()).collect();
        let mut made_up = (1..).map(|number| format!("call_{number}")).filter(|id| !ids.contains(id));
        self.slots.into_iter().map(|slot| slot.into_call(&mut made_up)).collect()
    }

    fn open(&mut self, index: Option<u64>) -> usize {
        self.slots.push(Slot { index, ..Slot::default() });
        self.slots.len() - 1
    }

    fn find(&self, index: Option<u64>, id: &str, function: &Function<'_>) -> Option<usize> {
        if let Some(index) = index {
            // From the end: some providers give every call the index 0, one after the other.
            let found = self.slots.iter().rposition(|slot| slot.index == Some(index))?;
            return (!self.slots[found].is_other_than(id, function)).then_some(found);
        }
        let by_id = || self.slots.iter().rposition(|slot| !id.is_empty() && slot.id == id);
        let last = || self.slots.len().checked_sub(1).filter(|_| function.name.0.is_empty());
        by_id().or_else(last)
    }
}

fn is_object(json: &str) -> bool {
    serde_json::from_str::<Value>(json).is_ok_and(|value| value.is_object())
}

impl Slot {
    /// Whether a fragment with the same index is nevertheless the start of another call.
    fn is_other_than(&self, id: &str, function: &Function<'_>) -> bool {
        let name = &*function.name.0;
        let other_id = !id.is_empty() && !self.id.is_empty() && id != self.id;
        let other_name = name != self.name && !self.arguments.is_empty();
        !name.is_empty() && (other_id || other_name || self.is_complete_before(id, function))
    }

    /// Whether the arguments are all there and a fragment begins new ones, without an id that says whose.
    fn is_complete_before(&self, id: &str, function: &Function<'_>) -> bool {
        id.is_empty() && function.arguments.0.starts_with('{') && is_object(&self.arguments)
    }

    /// Adds a fragment; ids and names may be repeated in every one. Returns by how many bytes it
    /// grew.
    fn add(&mut self, id: &str, function: &Function<'_>) -> usize {
        let before = self.name.len() + self.arguments.len();
        if self.id.is_empty() {
            id.clone_into(&mut self.id);
        }
        let name = &*function.name.0;
        if name.starts_with(&self.name) {
            name.clone_into(&mut self.name);
        } else {
            self.name.push_str(name);
        }
        self.arguments.push_str(&function.arguments.0);
        self.name.len() + self.arguments.len() - before
    }

    fn into_call(self, made_up: &mut impl Iterator<Item = String>) -> ToolCall {
        let id = if self.id.is_empty() { made_up.next().unwrap_or_default() } else { self.id };
        ToolCall { extra_content: self.extra_content, ..ToolCall::function(id, self.name, self.arguments) }
    }
}
