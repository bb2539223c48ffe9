//! Each message's line in the flow: its `Display`, without the words of the user or the model.

use std::fmt;

use super::{
    AbandonTurn, Acknowledge, AnswerCut, AnswerEnded, AnswerResumed, AnswerSaved, AttemptFailed,
    ChunkDelivered, ChunkReady, ChunkReturned, CutChunk, DeliverChunk, DeliverySaved, DeltaArrived,
    DiscardRest, Drain, FirstChunk, HistoryLoaded, LoadHistory, LoadUnfinished, NothingToCut, PartAttempted,
    PenaltyReceived, RecordUpdate, Remark, RemarkMade, SaveAnswer, SaveDelivery, SaveMessages, SaveOutcome,
    StationLost, StatusShown, TakeOver, TakeUpdate, Thinking, TurnClosed, TurnEnded, TurnSettled,
    TurnStarted, UnfinishedLoaded, UpdateRecorded, UserSaid,
};
use crate::domain::line::Report;
use crate::edge::store::Recorded;
use crate::port::length;

impl fmt::Display for TakeUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "take update {} ({})", self.update.id, self.update.kind)
    }
}

impl fmt::Display for RecordUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record update {}: {} in {}", self.turn.id, self.turn.kind.as_str(), self.turn.key)
    }
}

impl fmt::Display for UpdateRecorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.result {
            Ok(Recorded::New(turn)) => write!(f, "update {} recorded as turn {}", self.turn, turn.seq),
            Ok(Recorded::Duplicate) => write!(f, "update {} was recorded before", self.turn),
            Err(error) => write!(f, "update {} not recorded: {error}", self.turn),
        }
    }
}

impl fmt::Display for LoadUnfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lost {
            Some(lost) => write!(f, "load the unfinished turns of {}", lost.key),
            None => write!(f, "load the unfinished turns of bot {}", self.bot),
        }
    }
}

impl fmt::Display for UnfinishedLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} unfinished turns loaded", self.turns.len())
    }
}

impl fmt::Display for UserSaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (turn, kind) = (self.turn.seq, self.turn.kind.as_str());
        write!(f, "turn {turn}: user said {} ({kind})", length(self.turn.question()))
    }
}

impl fmt::Display for Acknowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "acknowledge turn {}", self.turn)
    }
}

impl fmt::Display for LoadHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "load history before turn {}, at most {}", self.before, self.limit)
    }
}

impl fmt::Display for HistoryLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "history loaded: {} turns", self.turns.len())
    }
}

impl fmt::Display for TurnStarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "turn {} started", self.turn)
    }
}

impl fmt::Display for DeltaArrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delta of {} arrived", length(&self.text))
    }
}

impl fmt::Display for Thinking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thinking, beat {} after {} s", self.beat, self.seconds)
    }
}

impl fmt::Display for AnswerEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answer of turn {} ended", self.turn)
    }
}

impl fmt::Display for FirstChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "first chunk of turn {}", self.turn)
    }
}

impl fmt::Display for ChunkReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chunk ready in turn {}", self.turn)
    }
}

impl fmt::Display for AnswerResumed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "answer of turn {} resumed from byte {} of {}",
            self.turn,
            self.end_bytes,
            self.answer.len()
        )
    }
}

impl fmt::Display for AnswerCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts {
            1 => write!(f, "answer of turn {} cut into 1 part", self.turn),
            parts => write!(f, "answer of turn {} cut into {parts} parts", self.turn),
        }
    }
}

impl fmt::Display for CutChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.merge_above_chars {
            0 => f.write_str("cut a chunk, all that is there"),
            usize::MAX => f.write_str("cut a chunk"),
            chars => write!(f, "cut a chunk, all that is there if it is more than {chars} characters"),
        }
    }
}

impl fmt::Display for PartAttempted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempting to send up to byte {}", self.part.end_bytes)
    }
}

impl fmt::Display for SaveDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ledger.delivery.len() {
            1 => write!(f, "save the ledger of turn {}: 1 part", self.turn)?,
            parts => write!(f, "save the ledger of turn {}: {parts} parts", self.turn)?,
        }
        match self.ledger.status.len() {
            0 => {}
            more => write!(f, ", {more} to delete")?,
        }
        f.write_str(if self.may_be_left_out { ", if the one before is not" } else { "" })
    }
}

impl fmt::Display for AttemptFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt in turn {} failed", self.turn)
    }
}

impl fmt::Display for StatusShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to delete in turn {}: {:?}", self.turn, self.status)
    }
}

impl fmt::Display for PenaltyReceived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "silence for {} ms, in turn {}", self.window_ms, self.turn)
    }
}

impl fmt::Display for TakeOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "take over turn {}: {} to delete", self.turn, self.status.len())?;
        if let Some(message) = self.growing {
            write!(f, ", message {message} grows")?;
        }
        match self.closed_for_ms {
            0 => Ok(()),
            ms => write!(f, ", silence for {ms} ms"),
        }
    }
}

impl fmt::Display for SaveMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "save turn {} so far: {} messages", self.turn, self.messages.len())
    }
}

impl fmt::Display for DeliverySaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ledger of turn {} saved", self.turn)
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "remark in turn {}", self.turn)
    }
}

impl fmt::Display for RemarkMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "remark in turn {} made", self.turn)
    }
}

impl fmt::Display for NothingToCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yet = if self.is_over { "" } else { " yet" };
        write!(f, "nothing to cut in turn {}{yet}", self.turn)
    }
}

impl fmt::Display for ChunkReturned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chunk of turn {} returned", self.turn)
    }
}

impl fmt::Display for DeliverChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grows = if self.frame.closes { "" } else { ", growing" };
        write!(f, "deliver part {}: {}{grows}", self.part, length(&self.frame.chunk.text))
    }
}

impl fmt::Display for ChunkDelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { number, part, refused, .. } = &self.report;
        match (refused, part.message_id) {
            (Some(reason), _) => write!(f, "part {number} refused: {reason}"),
            (None, None) if part.uncertain && !part.delivered => {
                write!(f, "part {number} may be there, and is not sent again")
            }
            (None, Some(message)) => write!(f, "part {number} delivered as message {message}"),
            (None, None) => write!(f, "part {number} delivered"),
        }
    }
}

impl fmt::Display for AbandonTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "abandon turn {}: {}", self.turn.id, self.reason)
    }
}

impl fmt::Display for DiscardRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "discard the rest of turn {}", self.turn)
    }
}

impl fmt::Display for SaveAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stopped = if self.answer.stopped { ", stopped" } else { "" };
        write!(f, "save the answer of turn {}: {} messages{stopped}", self.turn, self.answer.messages.len())
    }
}

impl fmt::Display for AnswerSaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answer of turn {} saved", self.turn)
    }
}

impl fmt::Display for TurnEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let notice = if self.notice.is_some() { ", with a notice" } else { "" };
        let discard = if self.discard { ", unsent parts dropped" } else { "" };
        write!(f, "turn {} ended{notice}{discard}", self.turn)
    }
}

impl fmt::Display for TurnClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "turn {} closed", self.closed.turn)?;
        match &self.closed.notice {
            Some(Ok(message)) => write!(f, ", notice is message {message}"),
            Some(Err(reason)) => write!(f, ", notice refused: {reason}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SaveOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "save turn {} as {}", self.turn, self.outcome.state.as_str())
    }
}

impl fmt::Display for TurnSettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "turn {} settled", self.turn)
    }
}

impl fmt::Display for StationLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} panicked", self.role, self.key)
    }
}

impl fmt::Display for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("drain")
    }
}
