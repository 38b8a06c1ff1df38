"""A worker in a process of its own, to be stopped between its claim and its first byte: `python paused_worker.py URL`."""

import asyncio
import sys
from datetime import timedelta

from events.conversation import CONVERSATION
from events.message import MESSAGE
from libs.kit.clock import Clock
from libs.kit.effect_kinds import Claim, Done, Outcome
from libs.kit.store import Store
from libs.testkit.servers import MASTER
from tests.libs.kit.effects_world import LedgerWorld, accepted


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def perform(claim: Claim) -> Outcome:
    tell("claimed")
    sys.stdin.readline()  # the whole process stands here, as one does that was stopped
    claim.begin_call()
    tell("called")
    return Done([accepted(claim.intent)])


async def main(url: str) -> None:
    async with Store.open(url, categories=(CONVERSATION, MESSAGE), master=MASTER) as store:
        world = LedgerWorld(store, Clock())
        worker = world.worker(timeout=timedelta(seconds=1.5), perform=perform)
        await worker.claim_and_start()
        await worker.idle()
        tell("settled")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
