"""Findings: what is wrong in a bundle, where, and what would be right."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Literal

import msgspec

from libs.config.tree import Node

Severity = Literal["error", "warning"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake. `line` counts from 1, `path` is within the file, such as `state_maps[0].transitions[3].to_state`."""

    severity: Severity
    file: str
    line: int
    path: str
    message: str
    hint: str = ""


class Findings:
    """Collects findings while a bundle is parsed and checked; the same one is kept once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int, str, str], Finding] = {}

    def error(self, node: Node, message: str, hint: str = "", *, line: int | None = None) -> None:
        """Something that a service must not start with."""
        self._add("error", node, message, hint, line)

    def warn(self, node: Node, message: str, hint: str = "", *, line: int | None = None) -> None:
        """Something that works otherwise than its author may think."""
        self._add("warning", node, message, hint, line)

    def refused(self, node: Node, error: msgspec.ValidationError, like: Mapping[str, str]) -> None:
        """A key of `node` that a struct does not take; `like` has an example for each key that wants one."""
        message, _, path = str(error).partition(" - at `$.")
        key = path.rstrip("`").partition("[")[0]
        self.error(node.at(key), f"{key} is not as it must be: {message}", f"write {like.get(key, 'another value')}")

    def add(self, finding: Finding) -> None:
        self._found.setdefault((finding.file, finding.line, finding.path, finding.message), finding)

    def errors_under(self, node: Node) -> bool:
        """Whether an error was found in `node` or below it, so that what depends on it need not be asked."""
        inner = (node.path + ".", node.path + "[")
        return any(
            each.severity == "error"
            and each.file == node.file
            and (each.path == node.path or each.path.startswith(inner))
            for each in self._found.values()
        )

    def errors_in(self, file: str) -> bool:
        """Whether an error was found in a file."""
        return any(each.severity == "error" and each.file == file for each in self._found.values())

    def sorted(self) -> tuple[Finding, ...]:
        """By file and line, errors and warnings together."""
        return tuple(sorted(self._found.values(), key=lambda each: (each.file, each.line, each.path, each.message)))

    def _add(self, severity: Severity, node: Node, message: str, hint: str, line: int | None) -> None:
        self.add(
            Finding(
                severity=severity, file=node.file, line=line or node.line, path=node.path, message=message, hint=hint
            )
        )


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that `word` was probably meant to be."""
    matches = get_close_matches(word, sorted(known), n=1, cutoff=cutoff)
    return matches[0] if matches else None


def suggest(word: str, known: Iterable[str], *, otherwise: str = "known are") -> str:
    """The hint for an unknown word: the nearest known one, else all of them."""
    words = sorted(known)
    near = nearest(word, words)
    if near:
        return f"did you mean {near!r}?"
    return f"{otherwise} {', '.join(words)}" if words else ""
