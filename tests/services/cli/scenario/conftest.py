"""The stage on which the shipped scenarios are played, once for a module."""

from collections.abc import AsyncIterator

import pytest_asyncio

from libs.config.load import load_scenarios
from libs.kit.store import Store
from libs.testkit.servers import MASTER, database_of
from services.cli.scenario.stage import Stage, stage
from tests.libs.config.shipped import FOLDER, shipped

BUNDLE = shipped()
SCENARIOS, FINDINGS = load_scenarios(FOLDER, BUNDLE)
assert not FINDINGS
BY_NAME = {each.name: each for each in SCENARIOS}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scenario_store(postgres_url: str, migrated_template: str) -> AsyncIterator[Store]:
    """A store of its own for all scenarios of a module: each has a tenant."""
    async with (
        database_of(postgres_url, migrated_template) as address,
        Store.open(address, master=MASTER, name="scenarios", connections=3) as store,
    ):
        yield store


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(scenario_store: Store) -> AsyncIterator[Stage]:
    """A stage for the shipped bundle, with the emulated Claude and ERP."""
    async with stage(scenario_store, BUNDLE, {}, "emulated") as ready:
        yield ready
