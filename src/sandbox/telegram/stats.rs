//! How often what was called, and how it ended.

use std::collections::BTreeMap;

use serde::Serialize;

use super::shared::CallRecord;

/// Counts since the world began, whatever of the past was forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// By method, as it was written, and by HTTP status; 0 where the caller got no answer.
    pub calls: BTreeMap<String, BTreeMap<u16, u64>>,
    /// Answers 429, those that a script asked for among them.
    pub too_many_requests: u64,
    /// Calls made although the caller had been told to wait.
    pub inside_window: u64,
}

impl Stats {
    pub(super) fn count(&mut self, call: &CallRecord) {
        let by_status = self.calls.entry(call.method.clone()).or_default();
        *by_status.entry(call.status).or_default() += 1;
        self.too_many_requests += u64::from(call.status == 429);
        self.inside_window += u64::from(call.inside_window);
    }
}
