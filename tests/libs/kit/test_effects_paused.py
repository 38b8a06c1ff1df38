"""A worker that was stopped past its lease and woken again makes no call."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from events.conversation import CONVERSATION
from events.message import MESSAGE
from libs.kit.clock import Clock
from libs.kit.store import Store
from tests.libs.kit.effects_world import LedgerWorld, until

ROOT = Path(__file__).parents[3]


async def test_a_worker_stopped_past_its_lease_and_woken_makes_no_call(
    database: str, store_of: Callable[..., Awaitable[Store]]
):
    world = LedgerWorld(await store_of(CONVERSATION, MESSAGE), Clock())
    intent = await world.ask()
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.libs.kit.paused_worker",
        database,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert worker.stdout is not None
    assert worker.stdin is not None
    assert await worker.stdout.readline() == b"claimed\n"
    os.kill(worker.pid, signal.SIGSTOP)

    async def lease_is_over() -> bool:
        over: bool = await world.store.pool.fetchval("SELECT lease_until < now() FROM gateways.effect")
        return over

    await until(lease_is_over)
    other = world.worker()
    await other.sweep()
    assert await world.outcomes(intent) == ["outcome_unknown"]

    worker.stdin.write(b"go on\n")
    os.kill(worker.pid, signal.SIGCONT)
    told, _ = await worker.communicate()
    lines = told.decode().splitlines()
    assert "called" not in lines
    assert "settled" in lines

    await world.work(other)
    assert world.provider.calls == [intent.id]
    assert await world.outcomes(intent) == ["outcome_unknown", "accepted"]
