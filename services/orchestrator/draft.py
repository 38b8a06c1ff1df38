"""A reply that is still being written, told over core NATS to whoever has the chat open; never state."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.channels import chat
from libs.kit.bus import Bus
from libs.llm.claude import OnReply

PACE_S = 0.05
"""At least so long between two tellings of one draft: faster than anybody reads."""


@asynccontextmanager
async def drafting(bus: Bus, subject: str, draft: str) -> AsyncIterator[OnReply]:
    """Tell that somebody is writing, and then what. What fails is retracted; what is written is committed or dropped later.

    Each telling has all of the words so far, so that one that is lost does no harm.
    """
    written = asyncio.Event()
    words = ""

    def on_reply(text: str) -> None:
        nonlocal words
        words = text
        written.set()

    async def tell(frame: chat.Passing) -> None:
        await bus.signal(subject, chat.write(frame))

    async def telling() -> None:
        while True:
            await written.wait()
            written.clear()
            await tell(chat.Drafted(id=draft, content=words))
            await asyncio.sleep(PACE_S)

    await tell(chat.Typing(who="agent"))
    task = asyncio.create_task(telling(), name="draft")
    try:
        yield on_reply
        if written.is_set():
            await tell(chat.Drafted(id=draft, content=words))
    except BaseException:
        await tell(chat.Retracted(id=draft))
        raise
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
