"""How the emulated Claude plans: the offered tool that the goal speaks of first and that was not called yet, else finish."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from services.sandbox.claude_text import stems, word_set

FINISH = "finish"
_EMPTY = word_set("a an the to of in on at by for from with and or is are be it that this them they if when whether")


@dataclass(frozen=True, slots=True)
class Done:
    """A call that was made before, and why it was not done, where it was not."""

    tool: str
    refused: str | None = None


def done_in(lines: str) -> list[Done]:
    """The calls before, one JSON object a line."""
    entries = [msgspec.json.decode(line) for line in lines.splitlines() if line.strip()]
    return [Done(str(entry.get("tool")), entry.get("refused")) for entry in entries]


def next_tool(
    goal: str, tools: Sequence[Mapping[str, Any]], done: Sequence[Done], inputs: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    """The tool to call now. One with a required input that nobody knows (an empty text) is left out."""
    called = {each.tool for each in done}
    wanted = [stem for stem in stems(goal) if stem not in _EMPTY]
    best: tuple[int, Mapping[str, Any]] | None = None
    for tool in tools:
        name = str(tool["name"])
        if name == FINISH or name in called or any(value == "" for value in inputs[name].values()):
            continue
        about = set(stems(name)) | set(stems(str(tool.get("description") or "")))
        place = next((n for n, stem in enumerate(wanted) if stem in about), None)
        if place is not None and (best is None or place < best[0]):
            best = (place, tool)
    return best[1] if best else next(tool for tool in tools if tool["name"] == FINISH)


def finished(done: Sequence[Done]) -> dict[str, Any]:
    """What `finish` says: reached when something was called and nothing was refused last."""
    made = [each.tool for each in done if each.refused is None]
    summary = f"Called {', '.join(made)}." if made else "No tool could help."
    return {"reached": bool(made) and done[-1].refused is None, "summary": summary}
