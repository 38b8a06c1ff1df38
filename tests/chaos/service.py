"""A service in a process of its own, with leases of a few seconds: `python -m tests.chaos.service gateways`."""

import os
import sys
from collections.abc import Mapping
from datetime import timedelta

from libs.kit import process
from libs.kit.process import Build, Kit
from libs.kit.serve import App
from services.backend_sync import app as backend_sync
from services.backend_sync import settings as backend_settings
from services.gateways import app as gateways
from services.gateways import settings as gateways_settings
from services.orchestrator import app as orchestrator
from services.orchestrator import settings as orchestrator_settings

TIMEOUT = timedelta(seconds=float(os.environ.get("CHAOS_TIMEOUT_S", "3")))
"""Bounds a call to a provider; a lease is two and a half times as long."""
EVIDENCE = timedelta(seconds=30)
"""How long a webhook may explain an unknown outcome, before it counts as sent."""


async def _backend_sync(kit: Kit) -> App:
    settings = backend_settings.from_environment()
    return await backend_sync.build(settings, store=kit.store, bus=kit.bus, clock=kit.clock, timeout=TIMEOUT)


async def _gateways(kit: Kit) -> App:
    settings = gateways_settings.from_environment().settings
    return await gateways.build(
        settings, store=kit.store, bus=kit.bus, clock=kit.clock, timeout=TIMEOUT, evidence=EVIDENCE
    )


async def _orchestrator(kit: Kit) -> App:
    settings = orchestrator_settings.from_environment()
    return await orchestrator.build(settings, store=kit.store, bus=kit.bus, clock=kit.clock, timeout=2 * TIMEOUT)


BUILDS: Mapping[str, Build] = {"backend-sync": _backend_sync, "gateways": _gateways, "orchestrator": _orchestrator}


if __name__ == "__main__":
    process.main(sys.argv[1], BUILDS[sys.argv[1]])
