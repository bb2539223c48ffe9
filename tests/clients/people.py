"""Plays the person in a chat of the sandbox."""

import asyncio
import json
import os
import urllib.request

TELEGRAM = os.environ["SANDBOX_TELEGRAM"]
MODEL = os.environ["SANDBOX_MODEL"]


def _request(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{TELEGRAM}/sandbox/{path}", data, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


async def play(path, body):
    """`say`, `block`, `stop`, `fault`, `limits`, `chaos` or `update`."""
    return await asyncio.to_thread(_request, path, body)


async def view(bot, chat):
    """The texts that stand in a chat."""
    seen = await asyncio.to_thread(_request, f"chat?bot={bot}&chat={chat}")
    return [message["text"] for message in seen]


async def last_id(bot, chat):
    """The id of a chat's last message."""
    seen = await asyncio.to_thread(_request, f"chat?bot={bot}&chat={chat}")
    return seen[-1]["message_id"]


async def until(bot, chat, wanted):
    """Waits until a chat shows exactly these texts."""
    for _ in range(200):
        shown = await view(bot, chat)
        if shown == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"chat {chat} shows {shown}, not {wanted}")
