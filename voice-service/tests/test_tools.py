"""Letting a contact go to a person: only once it is written down, or else Claude goes on with them."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from voice_world import a_call

from libs.testkit.nouns import NOON
from voice_service import tools
from voice_service.tools import Steering


@pytest.mark.parametrize(("away", "let_go"), [(2, True), (99, False)])
async def test_they_are_let_go_once_the_flow_can_find_whom_to_ring(
    away: int, let_go: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tools, "AGAIN_S", 0)
    call, tried, gone = a_call(), [], []

    async def begin(version: int) -> None:
        tried.append(version)
        if len(tried) <= away:
            raise ConnectionRefusedError

    async def goes() -> None:
        gone.append(True)

    call.hand_over = begin
    nobody: Any = None
    now: datetime = NOON
    steering = Steering(nobody, nobody, call, now, 80)
    for _ in range(2):  # it may be asked for twice
        steering._hands_over(7, goes)
    assert steering._leaving is not None
    async with asyncio.timeout(5):
        await steering._leaving
    assert (bool(gone), call.handed_over) == (let_go, let_go)
    assert set(tried) == {7}
    assert len(tried) == min(away + 1, tools.TRIES)
