//! teloxide, this program's own Telegram library, against the sandbox with only its URL changed.

use std::time::Duration;

use brigade::domain::ids::ChatKey;
use brigade::sandbox::server::{Options, Sandbox};
use brigade::sandbox::telegram::{Attachment, Fault, Trouble};
use teloxide_core::prelude::*;
use teloxide_core::types::{BotCommand, ChatAction, ChatId, MessageId, ThreadId, UpdateKind};
use teloxide_core::{ApiError, Bot, RequestError};

const KEY: ChatKey = ChatKey { bot: 303, chat: 5, topic: None };
const CHAT: ChatId = ChatId(5);

async fn start() -> (Sandbox, Bot) {
    let sandbox = Sandbox::start(Options::default()).await.expect("the sandbox starts");
    let url = sandbox.telegram_url.parse().expect("a URL");
    let bot = Bot::new("303:teloxide").set_api_url(url);
    (sandbox, bot)
}

#[tokio::test]
async fn updates_of_all_kinds_are_understood() {
    let (sandbox, bot) = start().await;
    let topic = ChatKey { chat: -1_000_000_000_009, topic: Some(4), ..KEY };
    sandbox.say(KEY, 5, "/start");
    sandbox.say(topic, 5, "in a topic");
    sandbox.world().with(|world, now| {
        for attachment in [
            Attachment::Sticker,
            Attachment::Photo,
            Attachment::Voice,
            Attachment::Document,
            Attachment::Location,
        ] {
            world.send(now, KEY, 5, attachment);
        }
        world.correct(now, KEY, 1, "corrected");
        world.block(now, 303, 5, true);
    });
    let updates = bot.get_updates().await.expect("updates");
    assert_eq!(updates.len(), 9);
    let unknown: Vec<_> =
        updates.iter().filter(|update| matches!(update.kind, UpdateKind::Error(_))).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let UpdateKind::Message(said) = &updates[1].kind else { panic!("{:?}", updates[1]) };
    assert_eq!((said.thread_id, said.is_topic_message), (Some(ThreadId(MessageId(4))), true));
}

#[tokio::test]
async fn messages_are_sent_edited_and_deleted() {
    let (sandbox, bot) = start().await;
    sandbox.say(KEY, 5, "hello");
    assert_eq!(bot.get_me().await.expect("the bot").user.id.0, 303);
    bot.get_chat(CHAT).await.expect("the chat");
    bot.set_my_commands([BotCommand::new("start", "Begin")]).await.expect("set");
    bot.send_chat_action(CHAT, ChatAction::Typing).await.expect("typing");
    let sent = bot.send_message(CHAT, "one").await.expect("sent");
    bot.edit_message_text(CHAT, sent.id, "two").await.expect("edited");
    bot.delete_messages(CHAT, [sent.id]).await.expect("deleted");
    assert!(bot.get_webhook_info().await.expect("info").url.is_none());
    assert_eq!(sandbox.world().view(303, 5).len(), 1);
}

#[tokio::test]
async fn errors_are_the_ones_that_teloxide_knows() {
    let (sandbox, bot) = start().await;
    sandbox.say(KEY, 5, "hello");
    let sent = bot.send_message(CHAT, "one").await.expect("sent");
    let same = bot.edit_message_text(CHAT, sent.id, "one").await.expect_err("not modified");
    assert!(matches!(same, RequestError::Api(ApiError::MessageNotModified)), "{same:?}");
    let long = bot.send_message(CHAT, "x".repeat(4097)).await.expect_err("too long");
    assert!(matches!(long, RequestError::Api(ApiError::MessageIsTooLong)), "{long:?}");
    let long = bot.edit_message_text(CHAT, sent.id, "x".repeat(4097)).await.expect_err("too long");
    assert!(matches!(long, RequestError::Api(ApiError::EditedMessageIsTooLong)), "{long:?}");
    let gone = bot.delete_message(CHAT, MessageId(99)).await.expect_err("gone");
    assert!(matches!(gone, RequestError::Api(ApiError::MessageToDeleteNotFound)), "{gone:?}");
    let nobody = bot.send_message(ChatId(9), "x").await.expect_err("no chat");
    assert!(matches!(nobody, RequestError::Api(ApiError::ChatNotFound)), "{nobody:?}");
    sandbox.world().fault(Fault::on("sendMessage", Trouble::RetryAfter(7)));
    let wait = bot.send_message(CHAT, "x").await.expect_err("limited");
    assert!(
        matches!(wait, RequestError::RetryAfter(after) if after.duration() == Duration::from_secs(7)),
        "{wait:?}"
    );
    sandbox.world().with(|world, now| world.block(now, 303, 5, true));
    let blocked = bot.send_message(CHAT, "x").await.expect_err("blocked");
    assert!(matches!(blocked, RequestError::Api(ApiError::BotBlocked)), "{blocked:?}");
}
