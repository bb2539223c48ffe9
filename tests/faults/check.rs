//! What never happens, asked of what a run has left.

use brigade::domain::chat::Role;
use brigade::domain::commands::{
    BEGUN_AGAIN, HELP, MAYBE_LOST, NOTHING_TO_RETRY, NOTHING_TO_STOP, RESTARTED, STOPPED,
};
use brigade::domain::ids::TurnId;
use brigade::domain::record::{Part, State, StoredTurn};

use super::chat::{self, Chat, is_status};
use super::lives;
use super::question::{Said, Wanted, words_in};
use super::run::{Death, Run};
use super::weather::SLOW_MOST_MS;

/// Something that never happens, and did.
#[derive(Debug)]
pub struct Breach {
    /// Which rule is broken.
    pub rule: &'static str,
    /// In which chat.
    pub chat: Option<i64>,
    /// In which turn.
    pub turn: Option<TurnId>,
    /// What is the case.
    pub what: String,
}

/// Looks at everything.
pub async fn all(run: &Run) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for chat in chat::all(run).await {
        let mut found = Found { chat: chat.key.chat, breaches: &mut breaches };
        places(&chat, &mut found);
        for said in &chat.said {
            match chat.turn(said.turn) {
                None => found.add("lost", Some(said.turn), "it is not on record".to_owned()),
                Some(turn) => on_record(&chat, said, turn, &mut found),
            }
        }
        order(&chat, &mut found);
        told(&chat, &mut found);
        fixed(&chat, &mut found);
        stops(&chat, &mut found);
        left_behind(&chat, &mut found);
        begun_again(&chat, &mut found);
    }
    lives::all(run, &mut breaches);
    breaches
}

struct Found<'a> {
    chat: i64,
    breaches: &'a mut Vec<Breach>,
}

impl Found<'_> {
    fn add(&mut self, rule: &'static str, turn: Option<TurnId>, what: String) {
        self.breaches.push(Breach { rule, chat: Some(self.chat), turn, what });
    }
}

/// Every update is one turn, and places count them in the order in which they were sent.
fn places(chat: &Chat<'_>, found: &mut Found<'_>) {
    let places: Vec<_> = chat.turns.iter().map(|turn| turn.seq).collect();
    let updates: Vec<_> = chat.turns.iter().map(|turn| turn.id.update).collect();
    let said: Vec<_> = chat.said.iter().map(|said| said.turn.update).collect();
    let counted: Vec<_> = (1..=places.len() as i64).collect();
    if places != counted {
        found.add("places", None, format!("its turns have the places {places:?}"));
    }
    if updates.iter().any(|update| !said.contains(update)) || !updates.is_sorted() {
        found.add("places", None, format!("its turns are {updates:?}; said was {said:?}"));
    }
}

fn answer(turn: &StoredTurn) -> Option<&str> {
    let last = turn.messages.last().filter(|message| message.role == Role::Assistant)?;
    last.content.as_deref().filter(|_| last.tool_calls.is_empty())
}

fn panicked(turn: &StoredTurn) -> bool {
    turn.failure.as_deref().is_some_and(|why| why.contains("panicked"))
}

/// A turn has ended as it had to, with the whole answer or with none.
fn on_record(chat: &Chat<'_>, said: &Said, turn: &StoredTurn, found: &mut Found<'_>) {
    let id = Some(turn.id);
    let panicked = panicked(turn);
    match (&said.wanted, turn.state) {
        (_, State::Accepted | State::Answered) => {
            return found.add("ended", id, format!("it is still {:?}", turn.state));
        }
        (Wanted::Answer(_) | Wanted::Fixed(_) | Wanted::Stop, State::Failed) if !panicked => {
            found.add("delivered", id, format!("it failed: {:?}", turn.failure));
        }
        (Wanted::Failure, State::Delivered) if !turn.stopped => {
            found.add("failed", id, "it is delivered".to_owned())
        }
        _ => {}
    }
    match (&said.wanted, answer(turn)) {
        (Wanted::Answer(wanted), Some(stored)) if turn.stopped && !wanted.starts_with(stored) => {
            found.add("whole", id, format!("it was stopped, and stored is {stored:?}"));
        }
        _ if turn.stopped => {}
        (Wanted::Answer(wanted), Some(stored)) if wanted != stored => {
            found.add("whole", id, format!("stored is {stored:?}"));
        }
        (Wanted::Answer(_), None) if turn.state == State::Delivered => {
            found.add("whole", id, "it is delivered without an answer on record".to_owned());
        }
        (Wanted::Failure, Some(stored)) if !stored.is_empty() => {
            found.add("partial", id, format!("stored is {stored:?}"));
        }
        (Wanted::BrokenOff(begun), Some(stored))
            if stored.len() <= begun.len() || !stored.starts_with(begun) =>
        {
            found.add("partial", id, format!("stored is {stored:?}"));
        }
        (Wanted::BrokenOff(_), Some(stored)) if turn.state == State::Failed && !panicked => {
            found.add("partial", id, format!("it failed, and stored is {stored:?}"));
        }
        _ => {}
    }
    on_screen(chat, said, turn, found);
}

/// What stands in the chat is the stored answer, once.
fn on_screen(chat: &Chat<'_>, said: &Said, turn: &StoredTurn, found: &mut Found<'_>) {
    let (standing, ledger) = (chat.messages_of(said.number), Chat::ledger(turn));
    let words = chat.words(&ledger, said.number);
    if turn.state == State::Delivered
        && let Some(stored) = answer(turn)
    {
        let wanted: Vec<_> = words_in(stored).map(|(_, at)| at).collect();
        let noted = turn.delivery.iter().any(|part| part.uncertain);
        let is_shown = match noted {
            true => is_in_order(&words, &wanted),
            // An edit that Telegram did not answer before the stop may show more than is known, and the last
            // word of which that is known may be cut: "w3" of "w31".
            false if turn.stopped => words.starts_with(&wanted[..wanted.len().saturating_sub(1)]),
            false => words == wanted,
        };
        if !is_shown {
            let (shown, wanted) = (spans(&words), spans(&wanted));
            let what = format!("its messages {ledger:?} show the words {shown}; on record are {wanted}");
            found.add("shown", Some(turn.id), what);
        }
    }
    // Another turn that asked the same again shows the same words.
    let is_ledgered = |id: i64| chat.turns.iter().any(|turn| Chat::ledger(turn).contains(&id));
    let is_copy = |id: &&i64| !is_ledgered(**id) && !chat.was_kept_off_record(**id);
    let copies: Vec<_> = standing.iter().filter(is_copy).collect();
    let last_ms = standing.iter().filter_map(|id| chat.shown_ms.get(id)).max().copied().unwrap_or(0);
    // A panic between a send and its confirmation ends the turn without a word of the message.
    let allowed = |said: &&Said| {
        let turn = chat.turn(said.turn);
        let on_record = turn.map_or(0, unsure_on_record);
        chat.uncertain_sends(said, last_ms).max(on_record) + usize::from(turn.is_some_and(panicked))
    };
    let same = chat.said.iter().filter(|other| other.number == said.number);
    let allowed: usize = same.map(allowed).sum();
    if copies.len() > allowed {
        let what = format!(
            "messages {copies:?} show words of it and are not of its ledger {ledger:?}; {allowed} sends were uncertain"
        );
        found.add("copies", Some(turn.id), what);
    }
}

/// Whether these are words of it in its order, some of them left out. A broken off answer may have
/// a word that was cut: "w4" of "w44".
fn is_in_order(shown: &[usize], of: &[usize]) -> bool {
    let mut rest = of.iter();
    shown.iter().all(|word| rest.any(|other| other == word))
}

/// The sends of which the ledger itself says that they may have come twice, or not.
fn unsure_on_record(turn: &StoredTurn) -> usize {
    let again = |part: &Part| part.attempts.saturating_sub(1) + u32::from(part.uncertain);
    turn.delivery.iter().map(again).sum::<u32>() as usize
}

/// "0-17 30-41" for places that follow each other.
fn spans(places: &[usize]) -> String {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for at in places {
        match spans.last_mut() {
            Some((_, end)) if *at == *end + 1 => *end = *at,
            _ => spans.push((*at, *at)),
        }
    }
    spans.iter().map(|(from, to)| format!("{from}-{to}")).collect::<Vec<_>>().join(" ")
}

/// A chat's answers stand in the order of its questions.
fn order(chat: &Chat<'_>, found: &mut Found<'_>) {
    let mut last = 0;
    for turn in &chat.turns {
        for id in Chat::ledger(turn) {
            if id < last {
                found.add("order", Some(turn.id), format!("message {id} stands before message {last}"));
            }
            last = last.max(id);
        }
    }
}

/// Between two answers there is a word for each turn that failed between them.
fn told(chat: &Chat<'_>, found: &mut Found<'_>) {
    let mut failed: Vec<&StoredTurn> = Vec::new();
    let mut from = 0;
    for turn in &chat.turns {
        match turn.state {
            State::Failed => failed.push(turn),
            State::Delivered if !Chat::ledger(turn).is_empty() => {
                let shown = Chat::ledger(turn);
                told_between(chat, &failed, (from, shown[0]), found);
                (from, failed) = (shown.last().copied().unwrap_or(from), Vec::new());
            }
            _ => {}
        }
    }
    told_between(chat, &failed, (from, i64::MAX), found);
}

fn told_between(chat: &Chat<'_>, failed: &[&StoredTurn], (from, to): (i64, i64), found: &mut Found<'_>) {
    let panics = failed.iter().filter(|turn| panicked(turn)).count();
    // Those that one panic ended are told of together.
    let wanted = failed.len() - panics + usize::from(panics > 0);
    let between = chat.standing.iter().filter(|message| (from + 1..to).contains(&message.message_id));
    let notices = between.filter(|message| is_notice(&message.text)).count();
    if notices < wanted {
        let what = format!("{} turns failed and {notices} notices stand after message {from}", failed.len());
        found.add("told", failed.first().map(|turn| turn.id), what);
    }
}

/// A text that says how a turn ended.
fn is_notice(text: &str) -> bool {
    let other = [HELP, RESTARTED, NOTHING_TO_RETRY, STOPPED, NOTHING_TO_STOP, BEGUN_AGAIN, MAYBE_LOST];
    !is_status(text) && !other.contains(&text) && words_in(text).next().is_none()
}

/// Commands are answered, and no more often than somebody could not know it.
fn fixed(chat: &Chat<'_>, found: &mut Found<'_>) {
    for text in [HELP, RESTARTED, NOTHING_TO_RETRY] {
        let asked: Vec<_> = chat.said.iter().filter(|said| said.wanted == Wanted::Fixed(text)).collect();
        let is_failed = |said: &&&&Said| chat.turn(said.turn).is_none_or(|turn| turn.state == State::Failed);
        let failed = asked.iter().filter(is_failed).count();
        let shown = chat.standing.iter().filter(|message| message.text == text).count();
        let uncertain = chat.unanswered_ms.len() + chat.deaths.len();
        if shown + failed < asked.len() || shown > asked.len() + uncertain {
            found.add("fixed", None, format!("{shown} times {text:?} for {} commands", asked.len()));
        }
    }
}

/// Each /stop is answered, and ends at most one answer, which was asked for before.
fn stops(chat: &Chat<'_>, found: &mut Found<'_>) {
    let asked: Vec<_> = chat.said.iter().filter(|said| said.wanted == Wanted::Stop).collect();
    let failed = asked.iter().filter(|said| chat.turn(said.turn).is_none_or(panicked)).count();
    let is_answer = |text: &str| text == STOPPED || text == NOTHING_TO_STOP;
    let shown = chat.standing.iter().filter(|message| is_answer(&message.text)).count();
    let uncertain = chat.unanswered_ms.len() + chat.deaths.len();
    if shown + failed < asked.len() || shown > asked.len() + uncertain {
        found.add("stops", None, format!("{} times /stop was said, and {shown} times answered", asked.len()));
    }
    let stopped: Vec<_> = chat.turns.iter().filter(|turn| turn.stopped).map(|turn| turn.id).collect();
    let last = asked.last().map(|said| said.turn.update);
    if stopped.len() > asked.len() || stopped.iter().any(|turn| Some(turn.update) > last) {
        found.add("stops", None, format!("turns {stopped:?} were stopped"));
    }
}

/// No "✓" and no "Thinking..." stands, but where nobody can know that it was sent.
fn left_behind(chat: &Chat<'_>, found: &mut Found<'_>) {
    let status = chat.standing.iter().filter(|message| is_status(&message.text));
    let known = |id: i64| {
        let at_ms = chat.shown_ms.get(&id).copied().unwrap_or(0);
        let unanswered = |lost_ms: &u64| lost_ms.abs_diff(at_ms) < SLOW_MOST_MS;
        !chat.deaths.iter().any(|death| chat.is_just_before(id, death))
            && !chat.unanswered_ms.iter().any(unanswered)
            && !chat.was_kept_off_record(id)
    };
    let left: Vec<_> = status.map(|message| message.message_id).filter(|id| known(*id)).collect();
    // A panic puts the Outbox away with the call that it is making, one for each turn that it ends.
    if left.len() > chat.turns.iter().filter(|turn| panicked(turn)).count() {
        let texts: Vec<_> = left.iter().filter_map(|id| chat.text(*id)).collect();
        found.add("left", None, format!("messages {left:?} still say {texts:?}"));
    }
}

/// An answer that had begun to show, and was not on record when the bot died, says that it is
/// another one.
fn begun_again(chat: &Chat<'_>, found: &mut Found<'_>) {
    let had_begun = |death: &Death, turn: &StoredTurn| {
        let owed = death.owed.get(&turn.id);
        owed.is_some_and(|owed| {
            owed.state == State::Accepted && owed.ledger.iter().any(|part| part.delivered)
        })
    };
    let delivered = chat.turns.iter().filter(|turn| turn.state == State::Delivered);
    let begun = delivered.filter(|turn| chat.deaths.iter().any(|death| had_begun(death, turn)));
    let begun: Vec<_> = begun.map(|turn| turn.id.to_string()).collect();
    let said = chat.standing.iter().filter(|message| message.text == BEGUN_AGAIN).count();
    if said < begun.len() {
        found.add("begun", None, format!("{begun:?} were begun again and {said} times that was said"));
    }
}
