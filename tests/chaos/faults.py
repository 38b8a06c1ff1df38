"""What goes wrong: services, servers and providers, at random, several at once."""

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.chaos.house import House
from tests.chaos.supervised import Service

SHORT_S = (0.2, 2.0)
DOWN_S = (0.0, 2.0)
"""How long what was killed stays down."""
DARK_S = (3.0, 6.0)
"""How long Postgres stays away from services that begin meanwhile: importing Anthropic's SDK alone takes seconds."""

OF_SERVICES = ("kill", "pause", "pause beyond a lease")
CLAIMED = "SELECT id FROM gateways.effect WHERE state = 'claimed'"


@dataclass(slots=True)
class Fault:
    """One thing that went wrong. `hit` are the messages whose call to the provider may have been open then."""

    number: int
    kind: str
    target: str
    at_s: float
    hit: set[UUID] = field(default_factory=set)


META: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("500 (unknown)", {"refuse": 131000}),
    ("503", {"refuse": 131016}),
    ("429", {"refuse": 130429}),
    ("no answer after commit", {"answer": "hung", "commits": True}),
    ("no answer, nothing sent", {"answer": "hung", "commits": False}),
    ("dropped after commit", {"answer": "dropped", "commits": True}),
    ("dropped, nothing sent", {"answer": "dropped", "commits": False}),
)
ERP: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("500", {"status": 500}),
    ("429", {"status": 429, "retry_after": 1}),
    ("no answer after commit", {"answer": "hung", "commits": True}),
    ("dropped after commit", {"answer": "dropped", "commits": True}),
    ("dropped, nothing written", {"answer": "dropped", "commits": False}),
    ("garbled", {"answer": "garbled", "commits": True}),
)
CLAUDE: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("overloaded", {"kind": "overloaded", "retry_after": 0.5}),
    ("429", {"kind": "rate_limit", "retry_after": 0.5}),
    ("500", {"kind": "server_error"}),
    ("connection reset", {"kind": "connection_reset"}),
    ("error in the stream", {"kind": "mid_stream_error"}),
    ("slow", {"kind": "slow_first_token", "delay_ms": 2500}),
)
UNANSWERED = frozenset({"500 (unknown)", "no answer after commit", "no answer, nothing sent"}) | {
    "dropped after commit",
    "dropped, nothing sent",
}
"""Faults of Meta after which nobody can know whether the message was sent."""


class Faults:
    """Injects faults and mends them; what was injected stands in `done`."""

    def __init__(
        self, house: House, chance: random.Random, told: Callable[[Fault], None], *, only: Sequence[str] = ()
    ) -> None:
        """`only` these services (users) are killed and paused, and nothing else goes wrong; none named: everything does."""
        self._house = house
        self._chance = chance
        self._told = told
        self._mending: set[asyncio.Task[None]] = set()
        self._failed: list[Exception] = []
        self._postgres = asyncio.Lock()
        self._nats = asyncio.Lock()
        self._began = time.monotonic()
        self._copy: Path | None = None
        self.done: list[Fault] = []
        self.kinds: Mapping[str, tuple[int, Callable[[Fault], Awaitable[bool]]]] = {
            "kill": (42, self._kill),
            "kill two": (8, self._kill_two),
            "pause": (11, self._pause),
            "pause beyond a lease": (4, self._pause_long),
            "postgres killed": (6, self._postgres_killed),
            "started while postgres is away": (3, self._started_in_the_dark),
            "nats killed": (6, self._nats_killed),
            "nats paused": (3, self._nats_paused),
            "nats restored old": (4, self._nats_restored),
            "nats deleted": (4, self._nats_deleted),
            "whatsapp": (8, self._meta),
            "erp": (5, self._erp),
            "claude": (3, self._claude),
        }
        self._only = only
        if only:
            self.kinds = {kind: self.kinds[kind] for kind in OF_SERVICES}

    async def one(self, kind: str | None = None) -> Fault:
        """Let something go wrong, of this kind or of any that is possible now."""
        weights = [weight for weight, _ in self.kinds.values()]
        while True:
            chosen = kind or self._chance.choices(list(self.kinds), weights)[0]
            fault = Fault(len(self.done) + 1, chosen, "", time.monotonic() - self._began)
            if await self.kinds[chosen][1](fault):
                self.done.append(fault)
                self._told(fault)
                return fault
            await asyncio.sleep(0.05)

    async def mended(self) -> None:
        """Return when everything that was killed or paused works again."""
        while self._mending:
            await asyncio.wait(set(self._mending))
        if self._failed:
            raise ExceptionGroup("the harness could not mend what it broke", self._failed)
        await self._house.until_ready()

    # services

    def _any_up(self, *, of: Sequence[str] = ()) -> Service | None:
        of = self._only or of
        up = [each for each in self._house.services.values() if each.state == "up" and (not of or each.user in of)]
        return self._chance.choice(up) if up else None

    async def _kill(self, fault: Fault) -> bool:
        service = self._any_up()
        if service is None:
            return False
        fault.target = service.name
        await self._kill_service(service, fault)
        return True

    async def _kill_two(self, fault: Fault) -> bool:
        up = [each for each in self._house.services.values() if each.state == "up"]
        if len(up) < 2:
            return False
        pair = self._chance.sample(up, 2)
        fault.target = " and ".join(each.name for each in pair)
        await asyncio.gather(*(self._kill_service(each, fault) for each in pair))
        return True

    async def _kill_service(self, service: Service, fault: Fault) -> None:
        await service.kill()
        self._later(self._start_again(service, self._chance.uniform(*DOWN_S)))
        await self._note_open_calls(service, fault)

    async def _start_again(self, service: Service, after_s: float) -> None:
        await asyncio.sleep(after_s)
        service.start()

    async def _pause(self, fault: Fault) -> bool:
        return await self._paused(fault, self._any_up(), self._chance.uniform(*SHORT_S))

    async def _pause_long(self, fault: Fault) -> bool:
        """Beyond the lease of the effects that it may hold, and beyond any patience of the others."""
        service = self._any_up(of=("gateways", "backend-sync", "orchestrator", "relay"))
        lease = self._house.lease.total_seconds()
        factor = 2.0 if service is not None and service.user == "orchestrator" else 1.0  # its time-out is twice as long
        return await self._paused(fault, service, lease * factor + 1)

    async def _paused(self, fault: Fault, service: Service | None, seconds: float) -> bool:
        if service is None:
            return False
        fault.target = f"{service.name} for {seconds:.1f} s"
        service.pause()
        self._later(self._resume(service, seconds))
        await self._note_open_calls(service, fault)
        return True

    async def _resume(self, service: Service, after_s: float) -> None:
        await asyncio.sleep(after_s)
        service.resume()

    async def _note_open_calls(self, service: Service, fault: Fault) -> None:
        """The calls that were claimed at this moment: twice, for a claim whose commit was on its way."""
        if service.user != "gateways":
            return
        for _ in range(2):
            fault.hit.update(row["id"] for row in await self._house.fetch(CLAIMED))
            await asyncio.sleep(0.05)

    # servers

    async def _postgres_killed(self, fault: Fault) -> bool:
        return self._postgres_down(fault, self._chance.uniform(0, 1))

    async def _started_in_the_dark(self, fault: Fault) -> bool:
        """Services die together with Postgres, and have begun again long before it is back."""
        if not self._postgres_down(fault, self._chance.uniform(*DARK_S)):
            return False
        up = [each for each in self._house.services.values() if each.state == "up"]
        killed = self._chance.sample(up, min(2, len(up)))
        await asyncio.gather(*(each.kill() for each in killed))
        for service in killed:
            service.start()
        fault.target = " and ".join(["postgres", *(each.name for each in killed)])
        return True

    def _postgres_down(self, fault: Fault, for_s: float) -> bool:
        if self._postgres.locked():
            return False
        fault.target = "postgres"

        async def kill_and_start() -> None:
            async with self._postgres:
                await self._house.postgres.kill()
                await asyncio.sleep(for_s)
                await self._house.postgres.start()
                # What was claimed when it died is claimed still; its worker may be gone, or tells the outcome later.
                fault.hit.update(row["id"] for row in await self._house.fetch(CLAIMED))

        self._later(kill_and_start())
        return True

    async def _nats_down(self, fault: Fault, meanwhile: Callable[[], None]) -> bool:
        if self._nats.locked():
            return False
        fault.target = "nats"

        async def kill_and_start() -> None:
            async with self._nats:
                await self._house.nats.kill()
                await asyncio.to_thread(meanwhile)
                await asyncio.sleep(self._chance.uniform(*DOWN_S))
                await self._house.nats.start()

        self._later(kill_and_start())
        return True

    async def _nats_killed(self, fault: Fault) -> bool:
        return await self._nats_down(fault, self._copy_store)

    async def _nats_restored(self, fault: Fault) -> bool:
        """The newest copy that was made while the server was down is put back; the first time there may be none."""

        def restore() -> None:
            if self._copy is None:
                self._copy_store()
                return
            shutil.rmtree(self._house.nats.store, ignore_errors=True)
            shutil.copytree(self._copy, self._house.nats.store)

        return self._copy is not None and await self._nats_down(fault, restore)

    async def _nats_deleted(self, fault: Fault) -> bool:
        return await self._nats_down(fault, lambda: shutil.rmtree(self._house.nats.store, ignore_errors=True))

    async def _nats_paused(self, fault: Fault) -> bool:
        if self._nats.locked():
            return False
        seconds = self._chance.uniform(*SHORT_S)
        fault.target = f"nats for {seconds:.1f} s"

        async def pause() -> None:
            async with self._nats:
                with suppress(ProcessLookupError):
                    os.kill(self._house.nats.pid, signal.SIGSTOP)
                    await asyncio.sleep(seconds)
                    os.kill(self._house.nats.pid, signal.SIGCONT)

        self._later(pause())
        return True

    def _copy_store(self) -> None:
        copy = self._house.folder / f"nats-copy-{len(self.done)}"
        shutil.copytree(self._house.nats.store, copy)
        if self._copy is not None:
            shutil.rmtree(self._copy)
        self._copy = copy

    # providers

    async def _meta(self, fault: Fault) -> bool:
        return await self._at_provider(fault, "meta", META, seconds=3 * self._house.timeout.total_seconds())

    async def _erp(self, fault: Fault) -> bool:
        return await self._at_provider(fault, "erp", ERP, seconds=3 * self._house.timeout.total_seconds())

    async def _claude(self, fault: Fault) -> bool:
        return await self._at_provider(fault, "anthropic", CLAUDE)

    async def _at_provider(
        self, fault: Fault, provider: str, faults: Sequence[tuple[str, Mapping[str, Any]]], **more: Any
    ) -> bool:
        fault.target, body = self._chance.choice(faults)
        if "answer" in body:
            body = {**body, **more}
        await self._house.tell_outside("POST", f"/_sandbox/{provider}/faults", body)
        return True

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._mending.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._mending.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._failed.append(error)
