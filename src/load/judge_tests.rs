use std::time::Duration;

use super::*;
use crate::load::profile::BUILT_IN;

const ANSWER: &str =
    "Chat 5, turn 1, line 1: salt the water. Chat 5, turn 1, line 2: let it rest.\n\nThe end";

struct Court {
    judge: Judge,
    stats: Rc<RefCell<Stats>>,
    start: Instant,
    ends: Vec<oneshot::Receiver<()>>,
}

impl Court {
    /// A chat 5 in which `questions` wait, with answers that name their turns.
    fn with(questions: u32) -> Self {
        let stats = Rc::new(RefCell::new(Stats::new()));
        let mut judge = Judge::new(&Profile::read(BUILT_IN[0].1).unwrap(), stats.clone());
        // Most of these tests are about something else.
        judge.rules.check_mark = false;
        let mut court = Self { judge, stats, start: Instant::now(), ends: Vec::new() };
        for turn in 1..=questions {
            let (ended, ends) = oneshot::channel();
            let (intended, posted) = (court.start, court.start);
            let answer = ANSWER.replace("turn 1", &format!("turn {turn}"));
            court.judge.asked(5, Asked { turn, intended, posted, answer, ended });
            court.ends.push(ends);
        }
        court
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    /// The first turn is given up.
    fn give_up(&mut self, ms: u64) {
        self.judge.give_up(5, 1, Duration::from_secs(60), self.at(ms));
    }

    fn sent(&mut self, ms: u64, id: i64, text: &str) {
        self.judge.sent(5, id, text, self.at(ms));
    }

    fn kinds(&self) -> Vec<&str> {
        self.judge.violations.first.iter().map(|violation| violation.kind.as_str()).collect()
    }

    fn ended(&mut self) -> Vec<bool> {
        self.ends.iter_mut().map(|ends| ends.try_recv().is_ok()).collect()
    }
}

#[test]
fn a_right_answer_is_right_and_is_measured() {
    let mut court = Court::with(1);
    court.judge.rules.check_mark = true;
    court.sent(10, 1, "✓");
    court.judge.emitted(5, 1, Moment::Filled, court.at(100));
    court.sent(103, 2, &ANSWER[..38]);
    court.judge.deleted(5, &[1], court.at(104));
    court.judge.emitted(5, 1, Moment::Last, court.at(200));
    court.sent(201, 3, ANSWER[38..].trim());
    assert_eq!(court.ended(), [true]);
    assert_eq!(court.kinds(), [""; 0]);
    assert_eq!(court.judge.open_turns(), 0);
    let stats = court.stats.borrow();
    for (metric, ms) in [
        (Metric::CheckMark, 10),
        (Metric::Added, 3),
        (Metric::FirstChunk, 103),
        (Metric::Tail, 1),
        (Metric::Turn, 201),
    ] {
        assert_eq!(stats.of(metric).len(), 1, "{metric:?}");
        assert!(stats.of(metric).max().abs_diff(ms * 1000) <= ms * 1000 / 500, "{metric:?}");
    }
}

#[test]
fn a_wrong_text_is_found() {
    let mut court = Court::with(1);
    court.sent(10, 1, "I am sorry, something broke.");
    court.sent(20, 2, "Chat 6, turn 1, line 1: salt the water.");
    court.sent(30, 3, ANSWER);
    assert_eq!(court.kinds(), ["wrong text", "wrong chat"]);
    assert!(court.judge.violations.first[0].seen.contains("something broke"));
    court.judge.sent(9, 4, "hello", court.at(40));
    assert_eq!(court.kinds()[2], "unasked");
}

#[test]
fn a_changed_letter_is_found() {
    let mut court = Court::with(1);
    court.sent(10, 1, &ANSWER[..38].replace("salt", "sält"));
    assert_eq!(court.kinds(), ["wrong text"]);
}

#[test]
fn a_doubled_part_is_found() {
    let mut court = Court::with(1);
    court.sent(10, 1, &ANSWER[..38]);
    court.sent(20, 2, &ANSWER[..38]);
    court.sent(30, 3, &ANSWER[38..]);
    court.sent(40, 4, &ANSWER[38..]);
    assert_eq!(court.kinds(), ["doubled", "doubled"]);
}

#[test]
fn a_missing_part_is_found() {
    let mut court = Court::with(1);
    court.sent(10, 1, &ANSWER[39..]);
    assert_eq!(court.ended(), [true]);
    assert_eq!(court.kinds(), ["missing"]);

    let mut court = Court::with(1);
    court.sent(10, 1, &ANSWER[..38]);
    court.give_up(60_000);
    assert_eq!(court.kinds(), ["unanswered"]);
    assert!(court.judge.violations.first[0].seen.contains("38 of"));
}

#[test]
fn answers_out_of_order_are_found() {
    let mut court = Court::with(2);
    court.sent(10, 1, &ANSWER.replace("turn 1", "turn 2"));
    court.sent(20, 2, ANSWER);
    assert_eq!(court.ended(), [true, false]);
    assert_eq!(court.kinds(), ["out of order"]);
}

#[test]
fn questions_that_queue_are_answered_one_after_the_other() {
    let mut court = Court::with(2);
    court.sent(10, 1, "✓");
    court.sent(11, 2, "✓");
    court.sent(20, 3, ANSWER);
    court.judge.deleted(5, &[1], court.at(21));
    assert_eq!(court.ended(), [true, false]);
    court.sent(5_020, 4, "Thinking...");
    court.sent(6_000, 5, &ANSWER.replace("turn 1", "turn 2"));
    court.judge.deleted(5, &[2, 4], court.at(6_001));
    assert_eq!((court.kinds(), court.judge.open_turns()), (vec![], 0));
}

#[test]
fn a_check_mark_that_stays_is_found() {
    let mut court = Court::with(1);
    court.sent(10, 1, "✓");
    court.sent(20, 2, ANSWER);
    assert_eq!(court.ended(), [false]);
    court.give_up(60_000);
    assert_eq!(court.kinds(), ["status left"]);
}

#[test]
fn thinking_has_a_pace_and_an_end() {
    let beats = |at: &[u64], first_chunk_ms: u64| {
        let mut court = Court::with(1);
        court.sent(10, 1, "✓");
        let said = at.iter().map(|ms| (*ms, "Thinking...")).chain([(first_chunk_ms, &ANSWER[..38])]);
        let mut said: Vec<_> = said.collect();
        said.sort_unstable();
        for (id, (ms, text)) in (100..).zip(said) {
            court.sent(ms, id, text);
        }
        court.kinds().len()
    };
    assert_eq!(beats(&[5_010, 10_010], 11_000), 0);
    assert_eq!(beats(&[2_000], 4_000), 1, "too early");
    assert_eq!(beats(&[9_000], 9_500), 1, "too late");
    assert_eq!(beats(&[5_010], 14_000), 1, "one is missing");
    assert_eq!(beats(&[5_010], 4_000), 1, "after the first chunk");
}

#[test]
fn a_message_that_grows_is_followed() {
    let mut court = Court::with(1);
    court.sent(10, 1, "Thinking...");
    court.judge.violations = Violations::default();
    court.judge.edited(5, 1, &ANSWER[..10], court.at(20));
    court.judge.edited(5, 1, &ANSWER[..50], court.at(30));
    court.judge.edited(5, 1, "something else", court.at(40));
    court.judge.edited(5, 1, ANSWER, court.at(50));
    assert_eq!(court.ended(), [true]);
    assert_eq!(court.kinds(), ["wrong text"]);
}

#[test]
fn a_part_that_is_deleted_is_found() {
    let mut court = Court::with(1);
    court.sent(10, 1, &ANSWER[..38]);
    court.judge.deleted(5, &[1], court.at(20));
    assert_eq!(court.kinds(), ["deleted"]);
}

#[test]
fn silence_after_a_429_is_counted_once_where_it_overlaps() {
    let mut court = Court::with(1);
    court.judge.held(5, Duration::from_secs(3), court.at(0));
    court.judge.held(5, Duration::from_secs(3), court.at(1_000));
    court.judge.held(5, Duration::from_secs(1), court.at(10_000));
    let counts = court.stats.borrow().counts;
    assert_eq!((counts.too_many_requests, counts.held_ms), (3, 5_000));
}

#[test]
fn a_check_mark_that_never_comes_is_found() {
    let mut court = Court::with(1);
    court.judge.rules.check_mark = true;
    court.sent(20, 2, ANSWER);
    assert_eq!((court.ended(), court.kinds()), (vec![true], vec!["no ✓"]));
}

#[test]
fn what_becomes_of_a_message_after_the_end_is_seen() {
    let mut court = Court::with(1);
    court.sent(10, 1, &ANSWER[..38]);
    court.sent(20, 2, &ANSWER[38..]);
    assert_eq!(court.ended(), [true]);
    court.judge.edited(5, 1, &ANSWER[..38], court.at(30));
    assert_eq!(court.kinds(), [""; 0], "the same text, formatted perhaps");
    court.judge.edited(5, 1, "something else", court.at(40));
    court.judge.deleted(5, &[2], court.at(50));
    assert_eq!(court.kinds(), ["wrong text", "deleted"]);
}

#[test]
fn an_empty_message_is_no_answer() {
    let mut court = Court::with(1);
    court.sent(10, 1, " ");
    assert_eq!(court.kinds(), ["wrong text"]);
}

#[test]
fn what_was_given_up_and_comes_late_is_told_once() {
    let mut court = Court::with(2);
    court.give_up(60_000);
    assert_eq!(court.judge.next_since(5, 2), Some(court.at(60_000)));
    court.sent(61_000, 1, "Thinking...");
    court.sent(62_000, 2, ANSWER);
    court.sent(63_000, 3, &ANSWER.replace("turn 1", "turn 2"));
    assert_eq!((court.ended(), court.kinds()), (vec![false, true], vec!["unanswered"]));
}

#[test]
fn a_question_behind_another_is_not_late() {
    let mut court = Court::with(2);
    assert_eq!(court.judge.next_since(5, 1), Some(court.at(0)));
    assert_eq!(court.judge.next_since(5, 2), None);
    court.sent(9_000, 1, ANSWER);
    assert_eq!(court.judge.next_since(5, 2), Some(court.at(9_000)));
}

#[test]
fn a_lost_reply_excuses_one_repetition() {
    let mut court = Court::with(1);
    court.sent(10, 1, "✓");
    court.judge.reply_lost(5, "✓");
    court.sent(20, 2, &ANSWER[..38]);
    court.judge.reply_lost(5, &ANSWER[..38]);
    court.sent(30, 3, &ANSWER[..38]);
    court.sent(40, 4, &ANSWER[38..]);
    assert_eq!((court.ended(), court.kinds()), (vec![true], vec![]), "nobody knows the id of the \"✓\"");
    court.judge.reply_lost(5, &ANSWER[38..]);
    court.sent(50, 5, &ANSWER[38..]);
    court.sent(60, 6, &ANSWER[38..]);
    assert_eq!(court.kinds(), ["doubled"]);
}

#[test]
fn an_answer_of_one_part_may_be_shown_again_while_its_check_mark_stands() {
    let mut court = Court::with(2);
    court.sent(10, 1, "✓");
    court.sent(20, 2, ANSWER);
    court.judge.reply_lost(5, ANSWER);
    court.sent(30, 3, ANSWER);
    court.judge.deleted(5, &[1], court.at(31));
    assert_eq!((court.ended(), court.kinds()), (vec![true, false], vec![]));
}

#[test]
fn a_message_that_is_there_twice_may_grow() {
    let mut court = Court::with(1);
    court.sent(10, 1, &ANSWER[..38]);
    court.judge.reply_lost(5, &ANSWER[..38]);
    court.sent(20, 2, &ANSWER[..38]);
    court.judge.edited(5, 2, ANSWER, court.at(30));
    assert_eq!((court.ended(), court.kinds()), (vec![true], vec![]));
}

#[test]
fn more_beats_than_the_bot_promises_are_not_waited_for() {
    for (most, kinds) in [(2, vec![]), (3, vec!["thinking"])] {
        let mut court = Court::with(1);
        court.judge.rules.thinking = Some(Thinking { every: Duration::from_secs(5), most });
        court.sent(5_000, 1, "Thinking...");
        court.sent(10_000, 2, "Thinking...");
        court.sent(30_000, 3, ANSWER);
        assert_eq!(court.kinds(), kinds, "{most}");
    }
}

#[test]
fn a_draft_has_the_first_words() {
    let mut court = Court::with(1);
    court.judge.drafted(5, "Thinking…", court.at(4_000));
    court.judge.drafted(5, &ANSWER[..10], court.at(9_000));
    court.judge.emitted(5, 1, Moment::Filled, court.at(9_500));
    court.sent(20_000, 1, ANSWER);
    assert_eq!((court.ended(), court.kinds()), (vec![true], vec![]));
    let stats = court.stats.borrow();
    assert!(stats.of(Metric::FirstChunk).max().abs_diff(9_000_000) < 20_000);
    assert_eq!(stats.of(Metric::Added).len(), 0, "words that come sooner can't be measured so");
}

#[test]
fn a_turn_that_is_edited_after_its_last_word_is_counted_once() {
    let mut court = Court::with(1);
    court.sent(10, 1, "✓");
    court.sent(20, 2, ANSWER);
    court.judge.edited(5, 2, ANSWER, court.at(30));
    court.judge.deleted(5, &[1], court.at(40));
    assert_eq!(court.ended(), [true]);
    assert_eq!((court.kinds(), court.stats.borrow().counts.turns), (vec![], 1));
}

#[test]
fn an_answer_that_shrinks_after_its_end_is_found() {
    let mut court = Court::with(1);
    court.sent(10, 1, ANSWER);
    assert_eq!(court.ended(), [true]);
    court.judge.edited(5, 1, ANSWER, court.at(20));
    assert_eq!(court.kinds(), [""; 0], "it may be formatted");
    court.judge.edited(5, 1, &ANSWER[..10], court.at(30));
    assert_eq!(court.kinds(), ["wrong text"]);
}

#[test]
fn a_draft_of_something_else_is_found() {
    let mut court = Court::with(1);
    court.judge.drafted(5, "", court.at(10));
    court.judge.drafted(5, &ANSWER[..20], court.at(20));
    assert_eq!(court.kinds(), [""; 0]);
    court.judge.drafted(5, "Chat 6, turn 1", court.at(30));
    assert_eq!(court.kinds(), ["wrong text"]);
}

#[test]
fn a_bot_may_say_that_it_does_not_know_whether_a_part_is_there() {
    let mut court = Court::with(1);
    court.sent(10, 1, ANSWER);
    court.sent(20, 2, MAYBE_LOST);
    assert_eq!(court.kinds(), ["doubled"], "nothing was lost");
    let mut court = Court::with(1);
    court.judge.reply_lost(5, ANSWER);
    court.sent(10, 1, ANSWER);
    court.sent(20, 2, MAYBE_LOST);
    assert_eq!(court.kinds(), [""; 0]);
}
