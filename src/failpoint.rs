//! Named steps of a turn at which a debug build can be made to end: for tests that kill it there.
//!
//! `BRIGADE_FAIL_AT=after_send:3` ends the process when it comes to the step `after_send` for the
//! third time, as `kill -9` would: nothing is flushed, no destructor runs. With `:panic` behind it
//! the step panics instead. A release build has none of this, and refuses the variable.

/// The steps, in the order in which one turn comes to them.
pub const STEPS: [&str; 16] = [
    "after_accept",
    "after_ack",
    "after_first_call",
    "between_tools",
    "after_tools",
    "before_attempt_recorded",
    "after_attempt_recorded",
    "after_send",
    "before_confirm_saved",
    "after_first_chunk",
    "after_stream",
    "before_answer_saved",
    "after_answer_saved",
    "after_last_part",
    "before_outcome_saved",
    "after_outcome_saved",
];

/// The environment variable that names the step.
pub const VARIABLE: &str = "BRIGADE_FAIL_AT";

/// A turn has come to the step `step`.
#[cfg(debug_assertions)]
pub fn reach(step: &str) {
    armed::reach(step);
}

/// A turn has come to a step: nothing happens in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn reach(_step: &str) {}

/// The same where `holds`.
#[inline(always)]
pub fn reach_if(holds: bool, step: &str) {
    if cfg!(debug_assertions) && holds {
        reach(step);
    }
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{STEPS, VARIABLE};

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let wanted = std::env::var(VARIABLE).ok().filter(|wanted| !wanted.is_empty())?;
        let Some(armed) = Armed::parse(&wanted) else {
            // Only tests set it: one that is misspelt must not pass.
            eprintln!("{VARIABLE} is '{wanted}'; it is <step>:<nth> or <step>:<nth>:panic, of {STEPS:?}");
            std::process::abort();
        };
        Some(armed)
    });

    pub(super) fn reach(step: &str) {
        if let Some(armed) = &*ARMED
            && armed.is_due(step)
        {
            assert!(!armed.panics, "the step {step} was told to panic");
            std::process::abort();
        }
    }

    struct Armed {
        step: String,
        panics: bool,
        /// Times still to pass before it is due, the due one included.
        left: AtomicU64,
    }

    impl Armed {
        fn parse(wanted: &str) -> Option<Self> {
            let mut words = wanted.split(':');
            let step = words.next().filter(|step| STEPS.contains(step))?.to_owned();
            let nth: u64 = words.next()?.parse().ok().filter(|nth| *nth > 0)?;
            let panics = match words.next() {
                None => false,
                Some("panic") => true,
                Some(_) => return None,
            };
            Some(Self { step, panics, left: AtomicU64::new(nth) })
        }

        fn is_due(&self, step: &str) -> bool {
            // After its turn the count wraps and does not come to 1 again in this process's life.
            self.step == step && self.left.fetch_sub(1, Ordering::Relaxed) == 1
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_step_is_due_once() {
            let armed = Armed::parse("after_send:2").expect("well formed");
            let due = ["after_send", "after_ack", "after_send", "after_send"].map(|step| armed.is_due(step));
            assert_eq!(due, [false, false, true, false]);
        }

        #[test]
        fn what_names_no_step_is_refused() {
            for wanted in ["after_send", "after_send:0", "after_send:x", "nowhere:1", "after_send:1:wait"] {
                assert!(Armed::parse(wanted).is_none(), "{wanted}");
            }
            assert!(Armed::parse("after_send:1:panic").is_some_and(|armed| armed.panics));
        }
    }
}
