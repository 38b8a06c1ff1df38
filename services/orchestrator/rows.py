"""The private rows of the orchestrator, as they are asked."""

from collections.abc import Hashable, Sequence
from typing import Any, Protocol


class Rows(Protocol):
    """The service's private rows inside the reactor's transaction."""

    async def fetch(self, sql: str, *args: Any) -> list[Any]: ...

    async def fetchrow(self, sql: str, *args: Any) -> Any: ...

    async def recall(self, about: Hashable, sql: str, *args: Any) -> list[Any]: ...

    async def recall_of(self, abouts: Sequence[Hashable], sql: str, *args: Any) -> list[Any]: ...
