"""A voice worker in a process of its own, with a lease that a test can wait for: `python -m worker_process`."""

import os
from datetime import timedelta

from libs.kit import process
from libs.kit.process import Kit
from libs.kit.serve import App
from voice_service.app import NAME, build
from voice_service.settings import from_environment

LEASE = timedelta(seconds=float(os.environ["VOICE_TEST_LEASE_S"]))  # noqa: TID251 - a test's own


async def built(kit: Kit) -> App:
    return await build(
        from_environment(),
        store=kit.store,
        bus=kit.bus,
        clock=kit.clock,
        timeout=timedelta(seconds=3),
        poll_every_s=2.0,
        beat=LEASE / 6,
        lease=LEASE,
    )


if __name__ == "__main__":
    process.main(NAME, built, drain=timedelta(minutes=10))
