"""python-telegram-bot against the sandbox: polling, webhook, messages, errors."""

import asyncio
import logging
import socket

from telegram import Bot, BotCommand, LinkPreviewOptions, MessageEntity, ReplyParameters
from telegram.constants import ChatAction, ParseMode
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter
from telegram.ext import Application, CommandHandler, MessageHandler, filters

from people import TELEGRAM, last_id, play, until, view

BOT = 101
logging.disable(logging.CRITICAL)


def bot(token=f"{BOT}:ptb"):
    return Bot(token, base_url=f"{TELEGRAM}/bot")


def application():
    async def start(update, context):
        await update.message.reply_text(f"started with {context.args}")

    async def echo(update, context):
        await update.message.reply_text(f"echo: {update.message.text}", do_quote=True)

    async def sticker(update, context):
        await update.message.reply_text(f"nice {update.message.sticker.emoji}")

    async def edited(update, context):
        await update.edited_message.reply_text(f"now: {update.edited_message.text}")

    app = Application.builder().token(f"{BOT}:ptb").base_url(f"{TELEGRAM}/bot").build()
    app.add_handler(CommandHandler("start", start))
    app.add_handler(MessageHandler(filters.Sticker.ALL, sticker))
    app.add_handler(MessageHandler(filters.UpdateType.EDITED_MESSAGE, edited))
    app.add_handler(MessageHandler(filters.TEXT & ~filters.COMMAND, echo))
    return app


async def talk(chat):
    say = {"bot": BOT, "chat": chat}
    await play("say", {**say, "text": "/start deep link"})
    await play("say", {**say, "text": "Hello 👩‍🍳"})
    await play("say", {**say, "attachment": "sticker"})
    expected = ["/start deep link", "Hello 👩‍🍳", "[sticker]"]
    answers = ["started with ['deep', 'link']", "echo: Hello 👩‍🍳", "nice 🍳"]
    for _ in range(200):
        if sorted(await view(BOT, chat)) == sorted(expected + answers):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(await view(BOT, chat))


async def polls():
    app = application()
    async with app:
        await app.start()
        await app.updater.start_polling(timeout=5)
        await talk(1)
        await app.updater.stop()
        await app.stop()


async def has_a_webhook():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = application()
    async with app:
        await app.start()
        url = f"http://127.0.0.1:{port}/hook"
        await app.updater.start_webhook("127.0.0.1", port, "hook", webhook_url=url, secret_token="A-b_9")
        info = await app.bot.get_webhook_info()
        assert info.url == url and info.max_connections == 40, info
        await talk(2)
        assert (await app.bot.get_webhook_info()).pending_update_count == 0
        try:
            await app.bot.get_updates()
        except Conflict as error:
            assert "webhook is active" in error.message, error
        else:
            raise AssertionError("polling beside a webhook")
        await app.updater.stop()
        await app.stop()
        await app.bot.delete_webhook(drop_pending_updates=True)


async def writes():
    await play("say", {"bot": BOT, "chat": 3, "text": "hi"})
    question = await last_id(BOT, 3)
    async with bot() as api:
        assert (await api.get_me()).id == BOT
        assert (await api.get_chat(3)).type == "private"
        commands = [BotCommand("start", "Begin"), BotCommand("stop", "End")]
        await api.set_my_commands(commands)
        assert list(await api.get_my_commands()) == commands
        await api.send_chat_action(3, ChatAction.TYPING)
        bold = [MessageEntity(MessageEntity.BOLD, 0, 4)]
        message = await api.send_message(
            3, "Soup is on", entities=bold, reply_parameters=ReplyParameters(question),
            link_preview_options=LinkPreviewOptions(is_disabled=True), disable_notification=True,
        )
        assert message.entities[0].type == "bold" and message.reply_to_message.text == "hi", message
        edited = await api.edit_message_text("Soup is cold", 3, message.message_id)
        assert edited.text == "Soup is cold" and edited.edit_date, edited
        await api.send_message(3, "<b>Hot</b> &amp; <i>sour</i>", parse_mode=ParseMode.HTML)
        await until(BOT, 3, ["hi", "Soup is cold", "Hot & sour"])
        assert await api.delete_message(3, message.message_id)
        assert await api.delete_messages(3, [message.message_id + 1, 9999])
        await until(BOT, 3, ["hi"])


async def drafts():
    await play("say", {"bot": BOT, "chat": 5, "text": "hi"})
    async with bot() as api:
        draft = api.send_message_draft
        assert await draft(5, 9, "") is True
        bold = [MessageEntity(MessageEntity.BOLD, 0, 4)]
        assert await draft(5, 9, "Soup", entities=bold, api_kwargs={"can_stop": True}) is True
        assert (await play("stop", {"bot": BOT, "chat": 5}))["update_id"]
        await raises(BadRequest, "andom_id_invalid", draft(5, 0, "x"))
        await api.send_message(5, "Soup is on")
        await until(BOT, 5, ["hi", "Soup is on"])


async def raises(error, words, call):
    try:
        await call
    except error as raised:
        assert words in str(raised), raised
        return raised
    raise AssertionError(f"no {error.__name__}")


async def fails():
    await play("say", {"bot": BOT, "chat": 4, "text": "hi"})
    trouble = lambda kind: play("fault", {"method": "sendMessage", "trouble": kind})
    async with bot() as api:
        send = lambda text="x", chat=4: api.send_message(chat, text)
        await raises(BadRequest, "Chat not found", send(chat=999))
        await raises(BadRequest, "Message text is empty", send("  "))
        await raises(BadRequest, "Message is too long", send("x" * 4097))
        await raises(BadRequest, "Message to edit not found", api.edit_message_text("x", 4, 99))
        message = await send("same")
        await raises(BadRequest, "Message is not modified", api.edit_message_text("same", 4, message.message_id))
        await raises(BadRequest, "Can't parse entities", api.send_message(4, "<b>x", parse_mode="HTML"))
        await trouble({"retry_after": 7})
        assert (await raises(RetryAfter, "7", send()))._retry_after.total_seconds() == 7
        await trouble({"migrated": -1009})
        assert (await raises(ChatMigrated, "-1009", send())).new_chat_id == -1009
        await trouble({"server": 502})
        await raises(NetworkError, "Bad Gateway", send())
        await trouble("html_page")
        await raises(NetworkError, "", send())
        await trouble("lost_reply")
        await raises(NetworkError, "", send("done all the same"))
        assert (await view(BOT, 4))[-1] == "done all the same"
        await play("block", {"bot": BOT, "chat": 4, "blocked": True})
        await raises(Forbidden, "bot was blocked by the user", send())
    await raises(InvalidToken, "", bot("0:nobody").initialize())


async def main():
    for check in (polls, has_a_webhook, writes, drafts, fails):
        await asyncio.wait_for(check(), 60)
        print(f"ok   python-telegram-bot {check.__name__}")


asyncio.run(main())
