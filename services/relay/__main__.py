"""The relay in a process of its own: `python -m services.relay`; after a restore, `python -m services.relay new-epoch 0`."""

import asyncio
import sys

import uvloop

from libs.kit import epoch, log, postgres
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.epoch import EpochAgrees, NewEpoch
from libs.kit.process import Process, hearing, read
from libs.kit.serve import serve
from services.relay.app import NAME, build
from services.relay.settings import Settings, from_environment


async def run(process: Process, settings: Settings) -> None:
    """Serve until told to end. It begins at once, whatever is away: its loops wait for it."""
    bus = await Bus.connect(process.nats_url, name=NAME, patience=0)
    try:
        app = await build(settings, database_url=process.database_url, bus=bus, clock=Clock())
        await serve([hearing(app, bus)], process.host, process.port)
    finally:
        await bus.close()


async def begin_epoch(process: Process, settings: Settings, shard: int) -> NewEpoch:
    """Begin a new epoch of a shard, once; see the README for when. Raises EpochAgrees where there is no need."""
    bus = await Bus.connect(process.nats_url, name=NAME)
    connection = await postgres.connect(process.database_url, role=settings.role, name="new-epoch")
    try:
        await bus.until_connected()
        return await epoch.new_epoch(bus.jetstream, connection, shard, replicas=settings.replicas)
    finally:
        await connection.close()
        await bus.close()


def main() -> None:
    log.configure()
    match sys.argv[1:]:
        case []:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(run(read(), from_environment()))
        case ["new-epoch", shard] if shard.isdecimal():
            try:
                begun = asyncio.run(begin_epoch(read(), from_environment(), int(shard)))
            except EpochAgrees as refusal:
                sys.exit(str(refusal))
            sys.stdout.write(
                f"epoch {begun.epoch} has begun after position {begun.fork}; positions {begun.fork + 1} to {begun.last} of "
                f"the old one are in the stream {begun.evidence}\n"
            )
        case _:
            sys.exit("usage: python -m services.relay [new-epoch SHARD]")


if __name__ == "__main__":
    main()
