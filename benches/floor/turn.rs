//! One turn: "✓", the model's answer in sends of 300 characters, "✓" deleted after the first.

use serde_json::json;

use crate::sse::Events;
use crate::{Failed, Floor};

/// Characters of one send.
const CHUNK_CHARS: usize = 300;

/// A turn in a chat.
pub struct Turn<'a> {
    floor: &'a Floor,
    chat: i64,
    /// The message that says "✓", while it stands.
    tick: Option<i64>,
}

impl<'a> Turn<'a> {
    /// A turn that has not begun.
    pub fn new(floor: &'a Floor, chat: i64) -> Self {
        Self { floor, chat, tick: None }
    }

    /// Answers `question`.
    pub async fn run(mut self, question: &str) -> Result<(), Failed> {
        let ask = json!({
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": question}],
            "stream": true,
        });
        let asked = self.floor.model.post("/chat/completions", ask.to_string());
        let (tick, answer) = tokio::join!(self.send("✓"), asked);
        self.tick = Some(tick?);
        let (mut answer, mut events, mut text) = (answer?, Events::default(), String::new());
        while let Some(bytes) = answer.more().await? {
            events.push(&bytes, &mut text);
            // Characters are counted only where there are enough bytes for them.
            while text.len() > CHUNK_CHARS
                && let Some((end, _)) = text.char_indices().nth(CHUNK_CHARS)
            {
                self.show(&text[..end]).await?;
                text.drain(..end);
            }
        }
        if !text.trim().is_empty() {
            self.show(&text).await?;
        }
        Ok(())
    }

    async fn show(&mut self, text: &str) -> Result<(), Failed> {
        self.send(text).await?;
        if let Some(tick) = self.tick.take() {
            let message = json!({"chat_id": self.chat, "message_id": tick});
            self.floor.telegram.post("/deleteMessage", message.to_string()).await?.whole().await?;
        }
        Ok(())
    }

    /// Sends a message and returns its id.
    async fn send(&self, text: &str) -> Result<i64, Failed> {
        let message = json!({"chat_id": self.chat, "text": text});
        let sent = self.floor.telegram.post("/sendMessage", message.to_string()).await?.whole().await?;
        message_id(&sent).ok_or_else(|| "sendMessage was answered without a message_id".into())
    }
}

fn message_id(body: &[u8]) -> Option<i64> {
    let body = std::str::from_utf8(body).ok()?;
    let (_, behind) = body.split_once("\"message_id\":")?;
    let end = behind.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(behind.len());
    behind[..end].parse().ok()
}
