"""The far ends of the calls in a process of their own: the providers and the callers. Does what its standard input says, line by line.

Each line is a command in JSON and is answered by one: `pace`, `open` (call these URLs), `talking` (wait until so many calls have
been answered once), `measure` (for so many seconds), `hang_up`.
"""

import asyncio
import gc
import json
import socket
import sys
import time
from typing import Any

import httpx
import uvicorn
import uvloop

from bench.relay import say, standard_input
from bench.voice.callers import Caller
from bench.voice.providers import Providers
from bench.voice.script import Pace

RINGS_S = 0.2


class Field:
    """Everybody who is on the phone."""

    def __init__(self) -> None:
        self.providers = Providers(Pace(waits={"base": 0, "question": 0}), self.dialled)
        self._client = httpx.AsyncClient(timeout=10)
        self._callers: list[Caller] = []
        self._calls: set[asyncio.Task[None]] = set()

    def dialled(self, form: dict[str, str], sid: str) -> None:
        """Somebody is called, over Exotel: it rings, they pick up, and their media come to the URL that the call was asked with."""
        self._begin(self._over_exotel(form, sid))

    async def told(self, asked: dict[str, Any]) -> Any:
        """Do one command; what came of it."""
        match asked:
            case {"do": "pace", "pace": given}:
                self.providers.mind.pace = Pace(**given)
            case {"do": "open", "urls": urls, "every_s": every}:
                for number, url in enumerate(urls):
                    self._begin(self._call(url, f"c{number}"))
                    await asyncio.sleep(every)
            case {"do": "talking", "calls": calls, "within_s": within}:
                return await self._talking(calls, within)
            case {"do": "measure", "seconds": seconds}:
                return await self._measure(seconds)
            case {"do": "hang_up"}:
                return await self._hang_up()
        return None

    async def _talking(self, calls: int, within: float) -> int:
        end = time.monotonic() + within
        while (talking := sum(any(each.answered for each in one.turns) for one in self._callers)) < calls:
            if time.monotonic() > end:
                break
            await asyncio.sleep(0.2)
        return talking

    async def _measure(self, seconds: float) -> dict[str, Any]:
        began, cpu = time.monotonic(), time.process_time()
        before = self.providers.mind.asked
        await asyncio.sleep(seconds)
        until, cpu = time.monotonic(), time.process_time() - cpu
        thoughts = self.providers.mind.asked - before
        await asyncio.sleep(5.2)  # answers to the last turns are still due
        pace = self.providers.mind.pace
        turns = [turn for one in self._callers for turn in one.turns if began <= turn.sent < until]
        timed = [(turn, turn.answered) for turn in turns if turn.answered is not None]
        plain = [(turn, at) for turn, at in timed if not turn.interrupts]
        return {
            "turns": len(turns),
            "missed": len(turns) - len(timed),
            "stale": sum(turn.stale for turn in turns),
            "added": [(at - turn.sent) * 1000 - pace.floor(turn.after_question) for turn, at in plain],
            "heard": [(at - turn.sent) * 1000 for turn, at in plain],
            "total": [(at - turn.ended) * 1000 for turn, at in plain],
            "cleared": [(turn.cleared - turn.began) * 1000 for turn in turns if turn.interrupts and turn.cleared],
            "interrupted": sum(turn.interrupts for turn in turns),
            "claude": thoughts,
            "broke": [one.broke for one in self._callers if one.broke],
            "small": sum(one.small for one in self._callers),
            "cpu": cpu / seconds,
        }

    async def _hang_up(self) -> None:
        for caller in self._callers:
            caller.over = True
        await asyncio.gather(*self._calls, return_exceptions=True)
        self._callers.clear()

    async def _call(self, url: str, sid: str) -> None:
        caller = Caller(len(self._callers))
        self._callers.append(caller)
        await caller.call(url, sid)

    async def _over_exotel(self, form: dict[str, str], sid: str) -> None:
        await self._calls_back(form, sid, "ringing", "in-progress")
        await asyncio.sleep(RINGS_S)
        await self._calls_back(form, sid, "answered", "in-progress")
        await self._call(form["StreamUrl"], sid)
        await self._calls_back(form, sid, "terminal", "completed")

    async def _calls_back(self, form: dict[str, str], sid: str, event: str, status: str) -> None:
        told = {"CallSid": sid, "EventType": event, "Status": status, "CustomField": form["CustomField"]}
        answer = await self._client.post(form["StatusCallback"], json=told)
        answer.raise_for_status()

    def _begin(self, call: Any) -> None:
        task = asyncio.create_task(call)
        self._calls.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._calls.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            sys.stderr.write(f"a caller broke: {error!r}\n")


async def main() -> None:
    """Say the providers' port, then do what is asked."""
    gc.disable()  # its pauses would be counted as the other side's
    field = Field()
    bound = socket.create_server(("127.0.0.1", 0), backlog=512)
    config = uvicorn.Config(field.providers, log_level="warning", lifespan="off", ws_per_message_deflate=False)
    serving = asyncio.create_task(uvicorn.Server(config).serve([bound]))
    say(str(bound.getsockname()[1]))
    lines = await standard_input()
    while line := await lines.readline():
        say(json.dumps(await field.told(json.loads(line))))
    serving.cancel()


if __name__ == "__main__":
    uvloop.run(main())
