"""Ids that come out the same when the same thing is done again, and random ones for what has no id of its own."""

import hashlib
from uuid import UUID, uuid4, uuid5

from events.refs import digest, joined

__all__ = ["cause_id", "digest", "event_hex", "event_id", "event_text", "fresh"]

CAUSES = UUID("0b8e7d1a-2f64-5b7d-9c39-5a7f1e6b2d44")
_VARIANT = {digit: "89ab"[value & 3] for value, digit in enumerate("0123456789abcdef")}


def event_id(cause: UUID, consumer: str, stream: str, n: int) -> UUID:
    """The id of the `n`-th fact (from 0) that `consumer` puts into `stream` because of `cause`."""
    return UUID(event_hex(cause, consumer, stream, n))


def event_hex(cause: UUID, consumer: str, stream: str, n: int) -> str:
    """`event_id` as hexadecimal digits: a uuid5, made without the objects in between, for the hot path."""
    name = f"{consumer}/{n}/{stream}".encode()
    digits = hashlib.sha1(cause.bytes + name, usedforsecurity=False).hexdigest()
    return f"{digits[:12]}5{digits[13:16]}{_VARIANT[digits[16]]}{digits[17:32]}"


def event_text(cause: UUID, consumer: str, stream: str, n: int) -> str:
    """`event_id` as it is written, for the hot path."""
    digits = event_hex(cause, consumer, stream, n)
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def cause_id(tenant: str, source: str, id: str) -> UUID:
    """The cause that something outside is, from the id that its source gave it."""
    return uuid5(CAUSES, joined(tenant, source, id))


def fresh() -> UUID:
    """A random id, for what comes from outside without one."""
    return uuid4()
