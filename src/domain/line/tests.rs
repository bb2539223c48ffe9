use super::*;
use crate::domain::cutting::Frame;

const TURN: TurnId = TurnId { bot: 1, update: 5 };

fn deliver(part: u32, text: &str) -> Task {
    Task::Deliver {
        part,
        frame: Frame {
            chunk: Chunk { text: text.into(), entities: Vec::new(), end_bytes: text.len() },
            closes: true,
        },
    }
}

/// Makes the next call; it succeeds with the given message id.
fn make(line: &mut Line, message_id: i64) -> Option<Call> {
    match line.next_step()? {
        Step::Call(job, call) => {
            line.succeeded(job, Some(message_id));
            Some(call)
        }
        Step::Cut(_) | Step::Closed(_) => None,
    }
}

#[test]
fn status_messages_are_deleted_after_the_first_chunk_and_before_the_second() {
    let mut line = Line::new(BeatStyle::Message);
    line.push(TURN, Task::Acknowledge);
    line.push(TURN, Task::Think { seconds: 5 });
    assert_eq!(make(&mut line, 1), Some(Call::Send("✓".into())));
    assert_eq!(make(&mut line, 2), Some(Call::Send("Thinking...".into())));
    line.push(TURN, Task::Think { seconds: 10 });
    line.first_chunk(TURN);
    line.push(TURN, deliver(1, "one"));
    line.push(TURN, deliver(2, "two"));
    assert_eq!(make(&mut line, 3), Some(Call::Send("one".into())));
    assert_eq!(make(&mut line, 4), Some(Call::Delete(vec![1, 2])));
    assert_eq!(make(&mut line, 5), Some(Call::Send("two".into())));
    line.close(TURN, None, false);
    assert_eq!(line.next_step(), Some(Step::Closed(Closed { turn: TURN, notice: None })));
    assert_eq!(line.next_step(), None);
}

#[test]
fn a_beat_on_its_way_when_the_answer_begins_is_deleted_too() {
    let mut line = Line::new(BeatStyle::Message);
    line.push(TURN, Task::Think { seconds: 5 });
    let Some(Step::Call(beat, _)) = line.next_step() else { panic!("a beat") };
    line.first_chunk(TURN);
    line.push(TURN, deliver(1, "one"));
    line.succeeded(beat, Some(9));
    assert_eq!(make(&mut line, 10), Some(Call::Send("one".into())));
    assert_eq!(make(&mut line, 0), Some(Call::Delete(vec![9])));
}

#[test]
fn text_is_repeated_until_it_passes_and_bridges_are_dropped() {
    let mut line = Line::new(BeatStyle::Message);
    line.push(TURN, Task::Think { seconds: 5 });
    line.push(TURN, deliver(1, "one"));
    let Some(Step::Call(beat, _)) = line.next_step() else { panic!("a beat") };
    assert_eq!(line.failed(beat, true, "429"), None);
    for _ in 0..20 {
        let Some(Step::Call(part, Call::Send(text))) = line.next_step() else { panic!("a part") };
        assert_eq!(text, "one".into());
        assert_eq!(line.failed(part, true, "429"), None);
    }
    let Some(Step::Call(part, _)) = line.next_step() else { panic!("a part") };
    let report = line.succeeded(part, Some(3)).expect("a report");
    assert_eq!((report.part.attempts, report.part.message_id), (21, Some(3)));
}

#[test]
fn a_refused_part_is_reported() {
    let mut line = Line::new(BeatStyle::Message);
    line.push(TURN, deliver(1, "one"));
    let Some(Step::Call(part, _)) = line.next_step() else { panic!("a part") };
    let report = line.failed(part, false, "blocked").expect("a report");
    assert_eq!((report.part.delivered, report.refused.as_deref()), (false, Some("blocked")));
}

#[test]
fn closing_with_discard_drops_what_waits_and_tells_the_notice() {
    let mut line = Line::new(BeatStyle::Message);
    line.push(TURN, Task::Acknowledge);
    make(&mut line, 1);
    line.push(TURN, deliver(1, "one"));
    line.close(TURN, Some("sorry".into()), true);
    assert_eq!(make(&mut line, 2), Some(Call::Send("sorry".into())));
    assert_eq!(make(&mut line, 0), Some(Call::Delete(vec![1])));
    assert_eq!(line.next_step(), Some(Step::Closed(Closed { turn: TURN, notice: Some(Ok(2)) })));
}

#[test]
fn a_part_that_the_chat_may_have_is_sent_again_as_it_was_and_told_of_when_it_is_not() {
    let mut line = Line::new(BeatStyle::Message);
    line.push(TURN, deliver(1, "one"));
    let Some(Step::Call(part, first)) = line.next_step() else { panic!("a part") };
    assert_eq!(line.unanswered(Job { recorded: true, ..part }, Uncertain::Repeat, "?"), None);
    let Some(Step::Call(part, second)) = line.next_step() else { panic!("a part") };
    assert_eq!(first, second);
    assert!(!line.held_back(part), "it is not cut anew");
    let Some(Step::Call(part, third)) = line.next_step() else { panic!("a part") };
    assert_eq!(first, third);
    assert_eq!(line.failed(part, true, "not connected"), None);
    let report = line.close(TURN, None, true).expect("nobody knows whether the chat has it");
    assert!(report.part.uncertain && !report.part.delivered);
}

#[test]
fn the_notice_of_a_turn_comes_after_what_it_said_in_passing() {
    let mut line = Line::new(BeatStyle::Message);
    line.push(TurnId { update: 6, ..TURN }, Task::Acknowledge);
    line.push(TURN, Task::Remark("again"));
    line.close(TURN, Some("sorry".into()), true);
    let said: Vec<_> = [1, 2, 3].map(|id| make(&mut line, id)).into();
    assert_eq!(said, ["✓", "again", "sorry"].map(|text| Some(Call::Send(text.into()))));
}

#[test]
fn a_part_that_telegram_holds_back_is_cut_anew_with_what_has_come_meanwhile() {
    let mut line = Line::new(BeatStyle::Message);
    line.push(TURN, deliver(1, "one"));
    let Some(Step::Call(part, _)) = line.next_step() else { panic!("a part") };
    line.push(TURN, Task::Cut);
    assert!(line.held_back(part));
    let Some(Step::Cut(job)) = line.next_step() else { panic!("a cut") };
    assert!(job.is_scarce() && job.attempts == 1);
    assert_eq!(line.next_step(), None);
}

#[test]
fn text_comes_before_clearing_away_when_both_must_wait() {
    let mut line = Line::new(BeatStyle::Message);
    line.push(TURN, Task::Acknowledge);
    make(&mut line, 1);
    line.push(TURN, Task::Clear);
    line.push(TURN, Task::Cut);
    let Some(Step::Call(clear, Call::Delete(_))) = line.next_step() else { panic!("a delete") };
    assert!(!line.put_back(clear, 100), "there is text that may be sent");
    let Some(Step::Cut(text)) = line.next_step() else { panic!("text") };
    assert!(line.put_back(text, 100), "now there is nothing but to wait");
    assert!(matches!(line.next_step(), Some(Step::Cut(_))));
}

#[test]
fn the_counting_message_is_edited() {
    let mut line = Line::new(BeatStyle::Edit);
    line.push(TURN, Task::Think { seconds: 5 });
    line.push(TURN, Task::Think { seconds: 10 });
    assert_eq!(make(&mut line, 7), Some(Call::Send("Thinking... 5 s".into())));
    let Some(Step::Call(job, call)) = line.next_step() else { panic!("a beat") };
    assert_eq!(call, Call::Edit { message_id: 7, message: "Thinking... 10 s".into() });
    line.succeeded(job, None);
    line.close(TURN, None, false);
    assert_eq!(make(&mut line, 0), Some(Call::Delete(vec![7])));
}

#[test]
fn an_ended_turn_is_not_asked_for_more() {
    let mut line = Line::new(BeatStyle::Message);
    line.push(TURN, deliver(1, "one"));
    let Some(Step::Call(part, _)) = line.next_step() else { panic!("a part") };
    line.close(TURN, None, true);
    assert!(!line.held_back(part), "it is not to be cut anew");
    line.push(TURN, Task::Cut);
    assert!(matches!(line.next_step(), Some(Step::Closed(_))));
    assert_eq!(line.next_step(), None);
}
