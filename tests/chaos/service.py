"""A service in a process of its own, with leases of a few seconds: `python -m tests.chaos.service gateways`."""

import os
import sys
from collections.abc import Mapping
from datetime import timedelta

from libs.kit import process
from libs.kit.process import Build, Kit
from libs.kit.serve import App

TIMEOUT = timedelta(seconds=float(os.environ.get("CHAOS_TIMEOUT_S", "3")))
"""Bounds a call to a provider; a lease is two and a half times as long."""
EVIDENCE = timedelta(seconds=30)
"""How long a webhook may explain an unknown outcome, before it counts as sent."""

# Each builds its service from its own imports: Anthropic's SDK alone takes seconds, and processes are killed all the time.


async def _backend_sync(kit: Kit) -> App:
    from services.backend_sync.app import build
    from services.backend_sync.settings import from_environment

    return await build(from_environment(), store=kit.store, bus=kit.bus, clock=kit.clock, timeout=TIMEOUT)


async def _gateways(kit: Kit) -> App:
    from services.gateways.app import build
    from services.gateways.settings import from_environment

    settings = from_environment()
    return await build(settings, store=kit.store, bus=kit.bus, clock=kit.clock, timeout=TIMEOUT, evidence=EVIDENCE)


async def _orchestrator(kit: Kit) -> App:
    from services.orchestrator.app import build
    from services.orchestrator.settings import from_environment

    return await build(from_environment(), store=kit.store, bus=kit.bus, clock=kit.clock, timeout=2 * TIMEOUT)


BUILDS: Mapping[str, Build] = {"backend-sync": _backend_sync, "gateways": _gateways, "orchestrator": _orchestrator}


if __name__ == "__main__":
    process.main(sys.argv[1], BUILDS[sys.argv[1]])
