"""Token counts and the prompt cache of the emulated Messages API."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

_json = msgspec.json.Encoder(order="sorted")
SMALLEST_PREFIX = 512
SMALLEST_PREFIX_OLD = 4_096
_LIFETIMES = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1)}


@dataclass(frozen=True, slots=True)
class Counted:
    """The tokens of a prompt: together they are its whole length."""

    input: int
    read: int
    written_5m: int
    written_1h: int


def tokens_of(text: str) -> int:
    """About the tokens of a text: four bytes each. An estimate of the emulator, not the model's tokenizer."""
    return -(-len(text.encode()) // 4)


@dataclass
class PromptCache:
    """Prefixes that a request marked with `cache_control`, by key and model, until their time is over."""

    entries: dict[bytes, tuple[int, datetime]] = field(default_factory=dict)

    def count(self, key: str, body: Mapping[str, Any], now: datetime) -> Counted:
        """Counts a prompt, reading its longest known prefix and remembering its marked ones.

        A prefix shorter than the model's minimum (512 tokens; 4,096 for the 4.5 family) is not cached.
        """
        model = str(body.get("model"))
        smallest = SMALLEST_PREFIX_OLD if "-4-" in model else SMALLEST_PREFIX
        self.entries = {k: entry for k, entry in self.entries.items() if entry[1] > now}
        digest = hashlib.sha256(f"{key}\0{model}".encode())
        total = read = written_to = 0
        marks: list[tuple[bytes, int, str]] = []
        for part, mark in _parts(body):
            encoded = _json.encode(part)
            digest.update(encoded)
            total += -(-len(encoded) // 4)
            if mark is not None and total >= smallest:
                marks.append((digest.digest(), total, mark))
        for known, length, mark in marks:
            if known in self.entries:
                read = length
                self.entries[known] = (length, now + _LIFETIMES[mark])
        lifetime = "5m"
        for new, length, mark in marks:
            if length > read:
                self.entries[new] = (length, now + _LIFETIMES[mark])
                written_to, lifetime = length, mark
        written = max(0, written_to - read)
        return Counted(
            input=total - read - written,
            read=read,
            written_5m=written if lifetime == "5m" else 0,
            written_1h=written if lifetime == "1h" else 0,
        )


def _parts(body: Mapping[str, Any]) -> Iterator[tuple[Any, str | None]]:
    """The blocks in the order of the cache (tools, system, messages) with the lifetime where one is marked."""
    blocks: list[tuple[Any, Any]] = [(tool, tool.get("cache_control")) for tool in body.get("tools") or []]
    blocks.extend(_content(body.get("system") or []))
    for message in body.get("messages") or []:
        blocks.extend((({"role": message["role"]} | {"block": b}), mark) for b, mark in _content(message["content"]))
    last = len(blocks) - 1
    for n, (block, mark) in enumerate(blocks):
        mark = mark or (body.get("cache_control") if n == last else None)
        plain = {k: v for k, v in block.items() if k != "cache_control"} if isinstance(block, dict) else block
        yield plain, str((mark or {}).get("ttl", "5m")) if mark else None


def _content(content: Any) -> list[tuple[Any, Any]]:
    if isinstance(content, str):
        return [({"type": "text", "text": content}, None)]
    return [(block, block.get("cache_control")) for block in content]
