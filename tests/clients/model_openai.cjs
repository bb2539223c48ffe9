// The openai package for Node against the sandbox.

const assert = require("node:assert");
const OpenAI = require("openai");

const client = new OpenAI({ apiKey: "sandbox", baseURL: process.env.SANDBOX_MODEL, maxRetries: 0, timeout: 20000 });
const model = "sandbox-cook";
const properties = { value: {}, from: {}, to: {}, ingredient: {} };
const tools = [{ type: "function", function: { name: "convert_units", parameters: { type: "object", properties } } }];
const flour = { role: "user", content: "How many grams is a cup of flour? #first=1 #gap=1" };

const ask = (text, more = {}) =>
  client.chat.completions.create({ model, messages: [{ role: "user", content: `${text} #first=1 #gap=1` }], ...more });

async function whole() {
  const answer = await ask("#chars=1385", { temperature: 0.2, max_tokens: 4000 });
  assert.equal(answer.choices[0].message.content.length, 1385);
  assert.equal(answer.choices[0].finish_reason, "stop");
}

async function streamed() {
  let text = "";
  let usage;
  for await (const chunk of await ask("#say=Bon appétit! 👩‍🍳", { stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, "Bon appétit! 👩‍🍳");
  assert.ok(usage.total_tokens > 0);
}

async function accumulatesTools() {
  const final = async (messages) =>
    (await client.chat.completions.stream({ model, messages, tools }).finalChatCompletion()).choices[0];
  const asked = await final([flour]);
  assert.equal(asked.finish_reason, "tool_calls");
  const call = asked.message.tool_calls[0];
  assert.deepEqual(JSON.parse(call.function.arguments), { value: 1, from: "cup", to: "g", ingredient: "flour" });
  const answer = await final([flour, asked.message, { role: "tool", tool_call_id: call.id, content: "125 g" }]);
  assert.ok(answer.message.content.startsWith("A cup of flour weighs about 125 g."), answer.message.content);
}

async function fails() {
  await assert.rejects(ask("#fail=429"), OpenAI.RateLimitError);
  await assert.rejects(ask("#fail=401"), OpenAI.AuthenticationError);
  await assert.rejects(ask("#fail=400", { stream: true }), OpenAI.BadRequestError);
  await assert.rejects(ask("#fail=503"), OpenAI.InternalServerError);
  const drain = async (text) => {
    for await (const _ of await ask(text, { stream: true }));
  };
  await assert.rejects(drain("#chars=900 #break=50"));
  await assert.rejects(drain("#chars=900 #break=50 #fail=500"), OpenAI.APIError);
  await assert.rejects(client.chat.completions.create(
    { model, messages: [{ role: "user", content: "#hang" }] }, { timeout: 300 }), OpenAI.APIConnectionTimeoutError);
}

async function listsModels() {
  const ids = [];
  for await (const one of client.models.list()) ids.push(one.id);
  assert.ok(ids.includes("sandbox-cook"));
}

async function main() {
  for (const check of [whole, streamed, accumulatesTools, fails, listsModels]) {
    await check();
    console.log(`ok   openai for node ${check.name}`);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
