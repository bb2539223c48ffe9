// grammY against the sandbox: polling, webhook, messages, errors.

const assert = require("node:assert");
const http = require("node:http");
const { Bot, GrammyError, HttpError, webhookCallback } = require("grammy");

const apiRoot = process.env.SANDBOX_TELEGRAM;
const ID = 202;

function newBot() {
  const bot = new Bot(`${ID}:grammy`, { client: { apiRoot } });
  bot.command("start", (ctx) => ctx.reply(`started with ${ctx.match}`));
  bot.on("message:text", (ctx) =>
    ctx.reply(`echo: ${ctx.message.text}`, { reply_parameters: { message_id: ctx.message.message_id } }));
  bot.on("message:sticker", (ctx) => ctx.reply(`nice ${ctx.message.sticker.emoji}`));
  return bot;
}

async function play(path, body) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${apiRoot}/sandbox/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  assert.equal(response.status, 200);
}

async function view(chat) {
  const seen = await (await fetch(`${apiRoot}/sandbox/chat?bot=${ID}&chat=${chat}`)).json();
  return seen.map((message) => message.text);
}

async function talk(chat) {
  for (const what of [{ text: "/start deep link" }, { text: "Hello 👩‍🍳" }, { attachment: "sticker" }]) {
    await play("say", { bot: ID, chat, ...what });
  }
  const said = ["/start deep link", "Hello 👩‍🍳", "[sticker]"];
  const wanted = [...said, "started with deep link", "echo: Hello 👩‍🍳", "nice 🍳"].sort();
  let shown;
  for (let n = 0; n < 200; n++) {
    shown = (await view(chat)).sort();
    if (shown.length === wanted.length) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.deepEqual(shown, wanted);
}

async function polls() {
  const bot = newBot();
  const running = bot.start({ timeout: 5 });
  await talk(1);
  await bot.stop();
  await running;
}

async function hasAWebhook() {
  const bot = newBot();
  const server = http.createServer(webhookCallback(bot, "http", { secretToken: "A-b_9" }));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}/`;
  await bot.api.setWebhook(url, { secret_token: "A-b_9", max_connections: 5 });
  assert.equal((await bot.api.getWebhookInfo()).max_connections, 5);
  await talk(2);
  await assert.rejects(bot.api.getUpdates(), (error) => error instanceof GrammyError && error.error_code === 409);
  await bot.api.deleteWebhook();
  server.close();
  server.closeAllConnections();
}

async function writes() {
  const { api } = newBot();
  await play("say", { bot: ID, chat: 3, text: "hi" });
  assert.equal((await api.getMe()).id, ID);
  await api.setMyCommands([{ command: "start", description: "Begin" }]);
  assert.equal((await api.getMyCommands())[0].command, "start");
  await api.sendChatAction(3, "typing");
  const message = await api.sendMessage(3, "*Soup* is on", { parse_mode: "MarkdownV2" });
  assert.equal(message.text, "Soup is on");
  assert.equal(message.entities[0].type, "bold");
  assert.equal((await api.editMessageText(3, message.message_id, "cold")).text, "cold");
  assert.deepEqual(await view(3), ["hi", "cold"]);
  await api.deleteMessage(3, message.message_id);
  assert.deepEqual(await view(3), ["hi"]);
}

async function drafts() {
  const { api } = newBot();
  await play("say", { bot: ID, chat: 5, text: "hi" });
  const draft = (more) => api.raw.sendMessageDraft({ chat_id: 5, draft_id: 9, ...more });
  assert.equal(await draft({ text: "" }), true);
  const entities = [{ type: "bold", offset: 0, length: 4 }];
  assert.equal(await draft({ text: "Soup", entities, can_stop: true }), true);
  await play("stop", { bot: ID, chat: 5 });
  await assert.rejects(draft({ draft_id: 0 }), (error) => error.description === "Bad Request: RANDOM_ID_INVALID");
  await api.sendMessage(5, "Soup is on");
  assert.deepEqual(await view(5), ["hi", "Soup is on"]);
}

async function isLimited() {
  const { api } = newBot();
  await play("say", { bot: ID, chat: 6, text: "hi" });
  await play("limits", { profile: "strict", private_every_ms: 60000 });
  await api.sendMessage(6, "x");
  const flooded = (error) => error.error_code === 429 && error.parameters.retry_after === 60;
  await assert.rejects(api.sendMessage(6, "x"), flooded);
  await play("limits", "off");
}

async function fails() {
  const { api } = newBot();
  await play("say", { bot: ID, chat: 4, text: "hi" });
  const refused = (code, words) => (error) =>
    error instanceof GrammyError && error.error_code === code && error.description.includes(words);
  const send = (text = "x", chat = 4) => api.sendMessage(chat, text);
  await assert.rejects(send("x", 999), refused(400, "chat not found"));
  await assert.rejects(send(" "), refused(400, "message text is empty"));
  await assert.rejects(send("x".repeat(4097)), refused(400, "message is too long"));
  await assert.rejects(api.deleteMessage(4, 99), refused(400, "message to delete not found"));
  await play("fault", { method: "sendMessage", trouble: { retry_after: 7 } });
  await assert.rejects(send(), (error) => refused(429, "retry after 7")(error) && error.parameters.retry_after === 7);
  await play("fault", { method: "sendMessage", trouble: "lost_reply" });
  await assert.rejects(send(), (error) => error instanceof HttpError);
  await play("block", { bot: ID, chat: 4, blocked: true });
  await assert.rejects(send(), refused(403, "bot was blocked by the user"));
  const nobody = new Bot("0:nobody", { client: { apiRoot } });
  await assert.rejects(nobody.api.getMe(), refused(401, "Unauthorized"));
}

async function main() {
  for (const check of [polls, hasAWebhook, writes, drafts, isLimited, fails]) {
    await check();
    console.log(`ok   grammY ${check.name}`);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
