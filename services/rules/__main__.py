"""Rules in a process of its own: `python -m services.rules`."""

import asyncio

from libs.kit import log
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.crypto import master_key
from libs.kit.serve import serve
from libs.kit.store import Store
from services.rules.app import build
from services.rules.handle import CONSUMER
from services.rules.settings import Process, from_environment


async def run(process: Process) -> None:
    """Serve until told to end."""
    async with Store.open(
        process.database_url, master=master_key(process.master_key), role="converse_rules", name=CONSUMER
    ) as store:
        bus = await Bus.connect(process.nats_url, name=CONSUMER)
        try:
            async with Clock.open(store.pool, store.listener) as clock:
                app = await build(process.settings, store=store, bus=bus, clock=clock)
                await serve([app], process.host, process.port)
        finally:
            await bus.close()


def main() -> None:
    log.configure()
    asyncio.run(run(from_environment()))


if __name__ == "__main__":
    main()
