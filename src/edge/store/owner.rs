//! Who serves a bot: one process at a time, or its turns would be answered twice.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use uuid::Uuid;

/// A process that serves a bot, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    host: String,
    process: u32,
    id: Uuid,
}

impl Owner {
    /// This process, under a name of its own.
    pub fn this_process() -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self { host: host.trim().to_owned(), process: std::process::id(), id: Uuid::new_v4() }
    }

    /// Whether the process is surely gone, as this one can see: it ran on this host, and now nobody
    /// has its number, or this process has. On another host nobody can see.
    pub fn has_ended(&self, seen_by: &Self) -> bool {
        let is_here = !self.host.is_empty() && self.host == seen_by.host;
        let nobody =
            || Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{}", self.process)).exists();
        is_here && self.id != seen_by.id && (self.process == seen_by.process || nobody())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.id, self.process, self.host)
    }
}

/// A text that names no owner.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' names no process")]
pub struct NoOwner(String);

impl FromStr for Owner {
    type Err = NoOwner;

    fn from_str(text: &str) -> Result<Self, NoOwner> {
        let mut words = text.splitn(3, ' ');
        let mut word = || words.next().ok_or_else(|| NoOwner(text.to_owned()));
        let (id, process, host) = (word()?, word()?, word()?);
        match (id.parse(), process.parse()) {
            (Ok(id), Ok(process)) => Ok(Self { host: host.to_owned(), process, id }),
            _ => Err(NoOwner(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_prints() {
        let owner = Owner::this_process();
        assert_eq!(owner.to_string().parse(), Ok(owner));
        assert_eq!("x".parse::<Owner>(), Err(NoOwner("x".into())));
    }

    #[test]
    fn only_a_process_of_this_host_is_seen_to_have_ended() {
        let me = Owner { host: "kitchen".into(), ..Owner::this_process() };
        let before_me = Owner { id: Uuid::new_v4(), ..me.clone() };
        let gone = Owner { process: u32::MAX, ..before_me.clone() };
        let elsewhere = Owner { host: "cellar".into(), ..gone.clone() };
        assert!(before_me.has_ended(&me) && gone.has_ended(&me));
        assert!(!me.has_ended(&me) && !elsewhere.has_ended(&me));
    }
}
