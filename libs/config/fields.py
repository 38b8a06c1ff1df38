"""Reads one YAML mapping key by key: types, missing keys and unknown keys become findings."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from libs.config.findings import Findings, suggest
from libs.config.tree import Node

DURATION = re.compile(r"^(-?)(\d+)\s*(s|m|h|d|w)$")
LONGEST = 3660 * 86400
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def kind_of(node: Node) -> str:
    """What a node is, in words for a finding."""
    if node.kind != "scalar":
        return f"a {node.kind}"
    match node.value:
        case None:
            return "nothing"
        case bool():
            return f"{node.text} (true or false)"
        case int() | float():
            return f"{node.text} (a number)"
        case _:
            return f"the text {node.text!r}"


class Fields:
    """The keys of a mapping. A key that is missing or wrong reads as an empty value, and a finding says so.

    Call `finish` after the last key: what has not been asked for is unknown.
    """

    def __init__(self, node: Node, found: Findings, what: str) -> None:
        self.node = node
        self.found = found
        self.what = what
        self._asked: set[str] = set()
        if node.kind != "mapping":
            found.error(node, f"{what} must be a mapping, not {kind_of(node)}", "write `key: value` lines here")

    def has(self, key: str) -> bool:
        return key in self.node.keys

    def child(self, key: str, *, required: bool = False, like: str = "") -> Node | None:
        """The node of a key; one that is written empty counts as missing."""
        self._asked.add(key)
        node = self.node.keys.get(key)
        if node is not None and not (node.kind == "scalar" and node.value is None):
            return node
        if required and self.node.kind == "mapping":
            self.found.error(node or self.node, f"{self.what} has no {key!r}", f"add `{key}: {like or '…'}`")
        return None

    def text(self, key: str, *, required: bool = False, like: str = "") -> str | None:
        node = self.child(key, required=required, like=like)
        if node is None:
            return None
        return as_text(node, self.found)

    def need(self, key: str, *, like: str = "") -> str:
        """A text that must be there; empty when it is not."""
        return self.text(key, required=True, like=like) or ""

    def texts(self, key: str, *, required: bool = False, like: str = "") -> tuple[str, ...]:
        return tuple(
            text for item in self.items(key, required=required, like=like) if (text := as_text(item, self.found))
        )

    def whole(
        self, key: str, *, minimum: int = 0, maximum: int | None = None, required: bool = False, like: str = ""
    ) -> int | None:
        node = self.child(key, required=required, like=like)
        if node is None:
            return None
        if isinstance(node.value, bool) or not isinstance(node.value, int) or node.value < minimum:
            self.found.error(node, f"{key} must be a whole number, not {kind_of(node)}", f"write {minimum} or more")
            return None
        if maximum is not None and node.value > maximum:
            self.found.error(node, f"{key} is at most {maximum}, not {kind_of(node)}", f"write {maximum} or less")
            return None
        return node.value

    def flag(self, key: str) -> bool | None:
        node = self.child(key)
        if node is None:
            return None
        if not isinstance(node.value, bool):
            self.found.error(node, f"{key} must be true or false, not {kind_of(node)}", "write true or false")
            return None
        return node.value

    def choice(self, key: str, known: Collection[str], *, required: bool = False) -> str | None:
        """One of the known words."""
        node = self.child(key, required=required, like=" | ".join(known))
        if node is None:
            return None
        if node.kind != "scalar" or node.text not in known:
            self.found.error(node, f"{kind_of(node)} is no {key}", suggest(node.text, known))
            return None
        return node.text

    def duration(self, key: str, *, negative: bool = False) -> int | None:
        """Seconds out of `24h`, `3d`, `90s`."""
        node = self.child(key)
        if node is None:
            return None
        parts = DURATION.match(node.text) if node.kind == "scalar" else None
        if parts is None or (parts[1] and not negative):
            self.found.error(
                node,
                f"{key} must be a duration, not {kind_of(node)}",
                "write a number and s, m, h, d or w, such as 24h",
            )
            return None
        seconds = int(parts[1] + parts[2]) * SECONDS[parts[3]]
        if abs(seconds) > LONGEST:
            self.found.error(node, f"{key} is at most ten years, not {node.text}", "write 3660d or less")
            return None
        return seconds

    def items(self, key: str, *, required: bool = False, like: str = "") -> tuple[Node, ...]:
        node = self.child(key, required=required, like=like or "[…]")
        if node is None:
            return ()
        if node.kind != "list":
            self.found.error(
                node, f"{key} must be a list, not {kind_of(node)}", "write `[…]` or lines that begin with `-`"
            )
            return ()
        return node.items

    def children(self, key: str, *, required: bool = False) -> Mapping[str, Node]:
        """The children of a key that is itself a mapping."""
        node = self.child(key, required=required, like="{…}")
        if node is None:
            return {}
        if node.kind != "mapping":
            self.found.error(node, f"{key} must be a mapping, not {kind_of(node)}", "write `key: value` lines here")
            return {}
        return node.keys

    def text_map(self, key: str, *, required: bool = False) -> dict[str, str]:
        return {
            name: text
            for name, node in self.children(key, required=required).items()
            if (text := as_text(node, self.found))
        }

    def data(self, key: str) -> Any:
        """Whatever stands there, as plain Python."""
        node = self.child(key)
        return None if node is None else node.plain()

    def data_map(self, key: str) -> dict[str, Any]:
        return {name: node.plain() for name, node in self.children(key).items()}

    def finish(self) -> None:
        for key, node in self.node.keys.items():
            if key not in self._asked:
                self.found.error(node, f"{self.what} has no key {key!r}", suggest(key, self._asked), line=node.key_line)


def as_text(node: Node, found: Findings) -> str | None:
    """The text of a node, or None and a finding. Words that YAML reads as numbers must be quoted."""
    if node.kind == "scalar" and isinstance(node.value, str):
        return node.value
    hint = f'write "{node.text}" in quotes' if node.kind == "scalar" and node.value is not None else "write a text"
    found.error(node, f"this must be a text, not {kind_of(node)}", hint)
    return None
