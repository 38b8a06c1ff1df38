"""What private rows have answered, kept between batches until a row of one's own changes it."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import asyncpg

RECALLED = 50_000

Answers = dict[tuple[str, tuple[Any, ...]], list[asyncpg.Record]]
"""Rows by the query that was asked."""


class Memo:
    """What private rows have answered, by what that is about; for as long as their one writer leads."""

    def __init__(self, size: int = RECALLED) -> None:
        self._size = size
        self._answers: OrderedDict[Hashable, Answers] = OrderedDict()

    def get(self, about: Hashable) -> Answers:
        """What is known about something."""
        found = self._answers.get(about)
        if found is None:
            return {}
        self._answers.move_to_end(about)
        return found

    def put(self, about: Hashable, answers: Answers) -> None:
        """Know something; what was used longest ago makes room."""
        self._answers[about] = {**self._answers.get(about, {}), **answers}
        self._answers.move_to_end(about)
        while len(self._answers) > self._size:
            self._answers.popitem(last=False)

    def drop(self, about: Hashable) -> None:
        """Know nothing about it any more."""
        self._answers.pop(about, None)
