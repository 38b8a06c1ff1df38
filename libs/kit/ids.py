"""Ids that come out the same when the same thing is done again, and random ones for what has no id of its own."""

import hashlib
import json
from uuid import UUID, uuid4, uuid5

EVENTS = UUID("6d1f3c52-93a5-5c0e-8f0b-6f0a4d0c7e11")
CAUSES = UUID("0b8e7d1a-2f64-5b7d-9c39-5a7f1e6b2d44")


def event_id(cause: UUID, consumer: str, stream: str, n: int) -> UUID:
    """The id of the `n`-th fact (from 0) that `consumer` puts into `stream` because of `cause`."""
    return uuid5(cause, f"{consumer}/{n}/{stream}")


def cause_id(tenant: str, source: str, id: str) -> UUID:
    """The cause that something outside is, from the id that its source gave it."""
    return uuid5(CAUSES, _join(tenant, source, id))


def derived(parent: UUID, *parts: str) -> UUID:
    """An id that belongs to `parent` and differs by `parts`."""
    return uuid5(parent, _join(*parts))


def digest(*parts: str) -> str:
    """32 hexadecimal characters; other parts, or the same cut otherwise, give another digest."""
    return hashlib.sha256(_join(*parts).encode()).hexdigest()[:32]


def fresh() -> UUID:
    """A random id, for what comes from outside without one."""
    return uuid4()


def _join(*parts: str) -> str:
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
