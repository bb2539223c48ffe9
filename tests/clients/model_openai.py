"""The openai package for Python against the sandbox."""

import json

import openai

from people import MODEL

client = openai.OpenAI(api_key="sandbox", base_url=MODEL, max_retries=0, timeout=20)
CONVERT = {
    "type": "function",
    "function": {
        "name": "convert_units",
        "parameters": {
            "type": "object",
            "properties": {
                "value": {"type": "number"},
                "from": {"type": "string"},
                "to": {"type": "string"},
                "ingredient": {"type": "string"},
            },
            "required": ["value", "from", "to"],
        },
    },
}
FLOUR = {"role": "user", "content": "How many grams is a cup of flour? #first=1 #gap=1"}


def ask(text, **more):
    messages = [{"role": "user", "content": f"{text} #first=1 #gap=1"}]
    return client.chat.completions.create(model="sandbox-cook", messages=messages, **more)


def whole():
    answer = ask("#chars=1385", temperature=0.2, max_tokens=4000, n=2)
    assert [len(choice.message.content) for choice in answer.choices] == [1385, 1385]
    assert answer.choices[0].finish_reason == "stop" and answer.usage.completion_tokens == 347, answer.usage


def streamed():
    chunks = list(ask("#say=Bon appétit! 👩‍🍳", stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Bon appétit! 👩‍🍳", text
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0


def accumulates_tools():
    with client.chat.completions.stream(model="m", messages=[FLOUR], tools=[CONVERT]) as stream:
        answer = stream.get_final_completion().choices[0]
    assert answer.finish_reason == "tool_calls", answer
    call = answer.message.tool_calls[0]
    arguments = json.loads(call.function.arguments)
    assert arguments == {"value": 1, "from": "cup", "to": "g", "ingredient": "flour"}, arguments
    result = {"role": "tool", "tool_call_id": call.id, "content": "1 cup of flour = 125 g"}
    asked = answer.message.model_dump(include={"role", "content", "tool_calls"})
    messages = [FLOUR, asked, result]
    with client.chat.completions.stream(model="m", messages=messages, tools=[CONVERT]) as stream:
        text = stream.get_final_completion().choices[0].message.content
    assert text.startswith("A cup of flour weighs about 125 g."), text


def calls_several_tools():
    answer = ask("#tool=1 #tools=2", tools=[CONVERT]).choices[0]
    assert len({call.id for call in answer.message.tool_calls}) == 2, answer


def raises(error, call):
    try:
        call()
    except error as raised:
        return raised
    raise AssertionError(f"no {error.__name__}")


def fails():
    limited = raises(openai.RateLimitError, lambda: ask("#fail=429"))
    assert limited.code == "rate_limit_exceeded" and limited.response.headers["retry-after"] == "2"
    raises(openai.AuthenticationError, lambda: ask("#fail=401"))
    raises(openai.BadRequestError, lambda: ask("#fail=400"))
    raises(openai.InternalServerError, lambda: ask("#fail=500", stream=True))
    assert raises(openai.BadRequestError, lambda: ask("#fail=context")).code == "context_length_exceeded"
    raises(openai.APIError, lambda: list(ask("#chars=90 #break=50 #fail=500", stream=True)))
    raises(Exception, lambda: list(ask("#chars=900 #break=50", stream=True)))
    raises(openai.APIConnectionError, lambda: ask("#chars=900 #break=50"))
    raises(openai.APITimeoutError, lambda: client.with_options(timeout=0.3).chat.completions.create(
        model="m", messages=[{"role": "user", "content": "#hang"}]))


def lists_models():
    assert "sandbox-cook" in [model.id for model in client.models.list()]


for check in (whole, streamed, accumulates_tools, calls_several_tools, fails, lists_models):
    check()
    print(f"ok   openai for python {check.__name__}")
