"""The YAML tree with its places: every value knows its file, its line and its path."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

TAG = "tag:yaml.org,2002:"
BARE_PATH = re.compile(r"(\{[^\n]*?:[ ]+)(/(?:[^\s,\"'{}\[\]]|\{\w+\})*\{\w+\}[^\s,\"'{}\[\]]*)(?=\s*[,}])")
"""A path with {names} that stands unquoted in `{…}`: strictly no YAML, and what everybody writes."""


class Unreadable(Exception):
    """A file that is not YAML: `line` says where it stops being one."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value of a YAML file: a mapping (`keys`), a list (`items`) or a scalar (`value`, and its `text` as written).

    Dates stay text; numbers are int or float, and `text` keeps their digits for those who need them exactly.
    """

    file: str
    line: int
    path: str
    kind: str
    value: str | int | float | bool | None = None
    text: str = ""
    keys: dict[str, "Node"] = field(default_factory=dict)
    items: tuple["Node", ...] = ()
    literal: bool = False
    key_line: int = 0
    twice: tuple[tuple[str, int, int], ...] = ()

    def at(self, *steps: str | int) -> "Node":
        """The node below by keys and positions, or the deepest one on the way that exists."""
        here = self
        for step in steps:
            if isinstance(step, str) and step in here.keys:
                here = here.keys[step]
            elif isinstance(step, int) and 0 <= step < len(here.items):
                here = here.items[step]
            else:
                return here
        return here

    def plain(self) -> Any:
        """The value as plain Python: dict, list, str, int, float, bool or None."""
        if self.kind == "mapping":
            return {key: child.plain() for key, child in self.keys.items()}
        if self.kind == "list":
            return [child.plain() for child in self.items]
        return self.value

    def scalars(self) -> Iterator["Node"]:
        """Every scalar at or below this node."""
        if self.kind == "scalar":
            yield self
        for child in (*self.keys.values(), *self.items):
            yield from child.scalars()

    def twice_defined(self) -> Iterator[tuple["Node", str, int, int]]:
        """Keys that a mapping at or below this node defines again: the mapping, the key, its line, the first line."""
        for key, line, first in self.twice:
            yield self, key, line, first
        for child in (*self.keys.values(), *self.items):
            yield from child.twice_defined()


@lru_cache(maxsize=64)
def read_yaml(file: str, text: str) -> Node | None:
    """The tree of one YAML 1.2 document, None for an empty one.

    Raises Unreadable for what is not YAML, or is more than plain data (several documents, merge keys, own tags).
    """
    try:
        return _read(file, text)
    except Unreadable:
        quoted = text
        while (more := BARE_PATH.sub(r'\1"\2"', quoted)) != quoted:  # one of each line at a time
            quoted = more
        if quoted == text:
            raise
    return _read(file, quoted)


def _read(file: str, text: str) -> Node | None:
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        return None if root is None else _node(root, file, "", 0)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = " ".join(part for part in (error.context, error.problem) if part)
        raise Unreadable(reason or "not YAML", mark.line + 1 if mark else 1) from error
    except YAMLError as error:
        raise Unreadable(str(error), 1) from error
    except RecursionError as error:
        raise Unreadable("it is nested too deeply, or within itself", 1) from error


def _node(raw: Any, file: str, path: str, key_line: int) -> Node:
    line = raw.start_mark.line + 1
    tag = str(raw.tag)
    match raw:
        case MappingNode():
            return _mapping(raw, file, path, line, key_line)
        case SequenceNode():
            items = tuple(_node(item, file, f"{path}[{n}]", 0) for n, item in enumerate(raw.value))
            return Node(file, line, path, "list", items=items, key_line=key_line or line)
        case ScalarNode():
            if not tag.startswith(TAG):
                raise Unreadable(f"the tag {tag!r} is not known here; write plain values", line)
            return Node(
                file,
                line,
                path,
                "scalar",
                value=_scalar(tag.removeprefix(TAG), raw.value, line),
                text=raw.value,
                literal=raw.style == "|",
                key_line=key_line or line,
            )
    raise Unreadable("only mappings, lists and scalars are known here", line)


def _mapping(raw: MappingNode, file: str, path: str, line: int, key_line: int) -> Node:
    keys: dict[str, Node] = {}
    twice = []
    for key, value in raw.value:
        name, at = str(key.value), key.start_mark.line + 1
        if not isinstance(key, ScalarNode) or str(key.tag) == TAG + "merge":
            raise Unreadable("a key must be a plain word; merge keys are not part of YAML 1.2", at)
        if name in keys:
            twice.append((name, at, keys[name].key_line))
            continue
        keys[name] = _node(value, file, f"{path}.{name}" if path else name, at)
    return Node(file, line, path, "mapping", keys=keys, key_line=key_line or line, twice=tuple(twice))


def _scalar(tag: str, text: str, line: int) -> str | int | float | bool | None:
    try:
        match tag:
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text.replace("_", ""), 0) if text.lower().lstrip("+-")[:2] in ("0x", "0o") else int(text)
            case "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
            case _:
                return text
    except ValueError as error:
        raise Unreadable(f"{text!r} is not a number", line) from error
