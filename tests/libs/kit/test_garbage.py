"""Cycles are found, also those that have grown old; what was set aside comes back."""

import asyncio
import gc
import weakref
from datetime import timedelta

from libs.kit.garbage import collected_seldom


class Ring:
    """An object that only a search for cycles can free."""

    def __init__(self) -> None:
        self.itself = self


async def test_a_cycle_that_has_grown_old_is_found_by_the_next_full_collection() -> None:
    found = asyncio.Event()
    async with collected_seldom(timedelta(milliseconds=10)):
        ring = Ring()
        gc.collect(1)
        gc.collect(1)
        assert any(each is ring for each in gc.get_objects(2)), "the ring has not grown old"
        watch = weakref.ref(ring, lambda _: found.set())
        del ring
        async with asyncio.timeout(30):
            await found.wait()
    assert watch() is None


async def test_afterwards_the_process_collects_as_before() -> None:
    before = gc.get_threshold()
    async with collected_seldom():
        assert gc.get_threshold() != before
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
