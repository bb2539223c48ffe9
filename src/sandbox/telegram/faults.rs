//! Troubles that a script asks for: "the second sendMessage answers 429".

use serde::Deserialize;

/// A trouble for one or more calls.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Fault {
    /// Which method; none stands for any.
    pub method: Option<String>,
    /// Which chat; none stands for any.
    pub chat: Option<i64>,
    /// How many matching calls pass before the trouble begins.
    #[serde(default)]
    pub after: u64,
    /// How many matching calls it then meets.
    #[serde(default = "once")]
    pub times: u64,
    /// What happens to them.
    pub trouble: Trouble,
}

fn once() -> u64 {
    1
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// 429 with `retry_after` in seconds; not executed.
    RetryAfter(u64),
    /// 403 with this text after "Forbidden: "; not executed.
    Forbidden(String),
    /// 400 with this text after "Bad Request: "; not executed.
    BadRequest(String),
    /// 400 with `migrate_to_chat_id`; not executed.
    Migrated(i64),
    /// An error with this 5xx code; not executed.
    Server(u16),
    /// 502 with a page of HTML in place of JSON, as a proxy answers; not executed.
    HtmlPage,
    /// Executed, but so many milliseconds later.
    Slow(u64),
    /// Executed, but the answer is lost.
    LostReply,
    /// Not executed: the connection is refused.
    Unreachable,
}

impl Fault {
    /// A fault for the next call of `method`.
    pub fn on(method: &str, trouble: Trouble) -> Self {
        Self { method: Some(method.to_owned()), chat: None, after: 0, times: 1, trouble }
    }

    /// A fault for the next call of any method.
    pub fn on_any(trouble: Trouble) -> Self {
        Self { method: None, chat: None, after: 0, times: 1, trouble }
    }

    /// Only for calls about this chat.
    pub fn in_chat(self, chat: i64) -> Self {
        Self { chat: Some(chat), ..self }
    }

    /// Meets the n-th matching call from now (1 is the next).
    pub fn nth(self, n: u64) -> Self {
        Self { after: n.saturating_sub(1), ..self }
    }

    /// Meets so many matching calls in a row.
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    fn matches(&self, method: &str, chat: Option<i64>) -> bool {
        self.method.as_deref().is_none_or(|name| name.eq_ignore_ascii_case(method))
            && self.chat.is_none_or(|id| Some(id) == chat)
    }

    fn is_due(&mut self) -> bool {
        if self.after > 0 {
            self.after -= 1;
            return false;
        }
        let due = self.times > 0;
        self.times = self.times.saturating_sub(1);
        due
    }
}

/// The faults still to come.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The trouble that this call meets. Every matching fault counts the call; the oldest due wins.
    pub(super) fn meet(&mut self, method: &str, chat: Option<i64>) -> Option<Trouble> {
        let mut met = None;
        for fault in self.0.iter_mut().filter(|fault| fault.matches(method, chat)) {
            if met.is_none() || fault.after > 0 {
                met = met.or(fault.is_due().then(|| fault.trouble.clone()));
            }
        }
        self.0.retain(|fault| fault.times > 0);
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_meets_exactly_the_calls_it_names() {
        let mut faults = Faults::default();
        faults.add(Fault::on("sendMessage", Trouble::RetryAfter(7)).in_chat(5).nth(2).times(2));
        let met: Vec<_> = (0..4).map(|_| faults.meet("sendmessage", Some(5)).is_some()).collect();
        assert_eq!(met, [false, true, true, false]);
        assert_eq!(faults.0, []);
    }

    #[test]
    fn another_chat_and_another_method_pass() {
        let mut faults = Faults::default();
        faults.add(Fault::on("sendMessage", Trouble::LostReply).in_chat(5));
        assert_eq!(faults.meet("sendMessage", Some(6)), None);
        assert_eq!(faults.meet("getMe", None), None);
        assert_eq!(faults.meet("sendMessage", Some(5)), Some(Trouble::LostReply));
    }

    #[test]
    fn two_faults_for_the_same_calls_come_one_after_the_other() {
        let mut faults = Faults::default();
        faults.add(Fault::on_any(Trouble::RetryAfter(1)));
        faults.add(Fault::on_any(Trouble::Server(502)));
        assert_eq!(faults.meet("getMe", None), Some(Trouble::RetryAfter(1)));
        assert_eq!(faults.meet("getMe", None), Some(Trouble::Server(502)));
        assert_eq!(faults.meet("getMe", None), None);
    }
}
