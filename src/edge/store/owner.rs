//! Who serves a bot: one process at a time, or its turns would be answered twice.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use uuid::Uuid;

/// A process that serves a bot, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    id: Uuid,
    process: u32,
    /// Where its number means anything; empty when that is not known.
    place: String,
}

impl Owner {
    /// This process, under a name of its own.
    pub fn this_process() -> Self {
        Self { id: Uuid::new_v4(), process: std::process::id(), place: place().unwrap_or_default() }
    }

    /// Whether the process is surely gone, as this one can see: it ran in the same place, and now nobody
    /// has its number, or this process has. In another place nobody can see.
    pub fn has_ended(&self, seen_by: &Self) -> bool {
        let is_here = !self.place.is_empty() && self.place == seen_by.place;
        let nobody =
            || Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{}", self.process)).exists();
        is_here && self.id != seen_by.id && (self.process == seen_by.process || nobody())
    }
}

/// This run of this machine's system, and the set of processes that see each other in it: two containers
/// have one host's name, and both may have a process 1.
fn place() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let processes = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), processes.display()))
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.id, self.process, self.place)
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
        let (id, process, place) = (word()?, word()?, word()?);
        match (id.parse(), process.parse()) {
            (Ok(id), Ok(process)) => Ok(Self { id, process, place: place.to_owned() }),
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
    fn a_place_is_a_boot_and_a_set_of_processes() {
        let place = Owner::this_process().place;
        assert!(!Path::new("/proc/self").exists() || place.contains(" pid:["), "{place}");
    }

    #[test]
    fn only_a_process_of_the_same_place_is_seen_to_have_ended() {
        let me = Owner { place: "kitchen".into(), ..Owner::this_process() };
        let before_me = Owner { id: Uuid::new_v4(), ..me.clone() };
        let gone = Owner { process: u32::MAX, ..before_me.clone() };
        let elsewhere = Owner { place: "cellar".into(), ..gone.clone() };
        assert!(before_me.has_ended(&me) && gone.has_ended(&me));
        assert!(!me.has_ended(&me) && !elsewhere.has_ended(&me));
        let nowhere = Owner { place: String::new(), ..gone };
        assert!(!nowhere.has_ended(&Owner { place: String::new(), ..me }));
    }
}
