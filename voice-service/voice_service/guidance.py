"""What the orchestrator has told a call whose media run elsewhere, read when a turn of it is answered."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

from events.base import Recorded
from events.call import CallRequested
from events.phone import CallGuided
from libs.kit.store import Store
from voice_service.facts import Known
from voice_service.tools import PATIENCE_S

LOOK_S = 0.05


class Guidance:
    """One turn's look into the call's conversation; a call of our own has a Guide that follows it all the time."""

    def __init__(self, store: Store, known: Known, intent: Recorded[CallRequested]) -> None:
        self._store = store
        self._known = known
        self._version = intent.envelope.version
        self._newest: CallGuided | None = None
        self._answers: dict[int, Mapping[str, Any]] = {}

    async def newest(self) -> CallGuided | None:
        """What the call goes on with by now; None: with what it began."""
        stream = f"conversation-{self._known.conversation}"
        for fact in await self._store.read_stream(self._known.tenant, stream, self._version):
            self._version = fact.envelope.version
            if isinstance(fact.event, CallGuided) and fact.event.call == str(self._known.call):
                self._newest = fact.event
                self._answers |= {int(number): answer for number, answer in fact.event.answers.items()}
        return self._newest

    async def answers(
        self, numbers: Sequence[int], awaited: Sequence[int]
    ) -> tuple[list[Mapping[str, Any] | None], bool]:
        """What came of these tools, `awaited` for a while (None: nobody knows), and whether the contact waits for words."""
        until = time.monotonic() + PATIENCE_S
        while not await self._all(awaited) and time.monotonic() < until:  # noqa: ASYNC110 - another process answers
            await asyncio.sleep(LOOK_S)
        speaks = self._newest is not None and self._newest.speaks and any(each in self._answers for each in numbers)
        return [self._answers.get(number) for number in numbers], speaks

    async def _all(self, numbers: Sequence[int]) -> bool:
        await self.newest()
        return all(number in self._answers for number in numbers)
