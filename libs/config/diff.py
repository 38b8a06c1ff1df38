"""What is different between two bundles: each thing by its name, down to the value that changed."""

from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, Literal

import msgspec

from libs.config.bundle import Bundle

NAMES = ("id", "process_type", "name")
"""The keys by which the things of a list are known, where each has one of its own."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. `path` names things by their ids, such as `flows.payment_reminder.steps.send_reminder.max_words`.

    A thing without a name has its place in the newer list, one that is gone that in the older.
    """

    kind: Literal["added", "removed", "changed"]
    path: str
    before: Any = None
    after: Any = None


def differences(old: Bundle, new: Bundle) -> list[Change]:
    """What `new` says otherwise than `old`, in the order of the bundle; secrets are in neither."""
    return list(_compare("", _plain(old), _plain(new)))


def _plain(bundle: Bundle) -> Any:
    return msgspec.json.decode(bundle.to_json())


def _compare(path: str, old: Any, new: Any) -> Iterator[Change]:
    if old == new:
        return
    if isinstance(old, list) and isinstance(new, list):
        named = _by_name(old), _by_name(new)
        if named[0] is not None and named[1] is not None:
            yield from _keys(path, named[0], named[1])
            if list(named[0]) != list(named[1]) and sorted(named[0]) == sorted(named[1]):
                yield Change(kind="changed", path=f"{path} (order)", before=list(named[0]), after=list(named[1]))
            return
        if all(isinstance(each, dict) for each in [*old, *new]):
            yield from _places(path, old, new)
            return
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _keys(path, old, new)
        return
    yield Change(kind="changed", path=path, before=old, after=new)


def _keys(path: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for key in [*old, *(key for key in new if key not in old)]:
        below = f"{path}.{key}" if path else key
        if key not in new:
            yield Change(kind="removed", path=below, before=old[key])
        elif key not in old:
            yield Change(kind="added", path=below, after=new[key])
        else:
            yield from _compare(below, old[key], new[key])


def _places(path: str, old: list[Any], new: list[Any]) -> Iterator[Change]:
    """Things without names, such as actions: by their place, those that are alike matched first."""
    before, after = ([msgspec.json.encode(each) for each in items] for items in (old, new))
    for kind, low, high, from_, to in SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes():
        both = min(high - low, to - from_) if kind == "replace" else 0
        for n in range(both):
            yield from _compare(f"{path}[{from_ + n}]", old[low + n], new[from_ + n])
        if kind != "equal":
            for n in range(low + both, high):
                yield Change(kind="removed", path=f"{path}[{n}]", before=old[n])
            for n in range(from_ + both, to):
                yield Change(kind="added", path=f"{path}[{n}]", after=new[n])


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """A list of things as a mapping by name; transitions by what they do, numbered where conditions alone tell them apart.

    None where they have no names.
    """
    named: dict[str, Any] = {}
    times: Counter[str] = Counter()
    for item in items:
        name = _name(item)
        if name is None or (name in named and "trigger" not in item):
            return None
        times[name] += 1
        name += f" ({times[name]})" if times[name] > 1 else ""
        named[name] = item
    return named


def _name(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    if "trigger" in item and "to_state" in item:
        trigger = item["trigger"]
        return (
            f"{'|'.join(item['from_states'])} -> {item['to_state']} on {trigger['type']} {'|'.join(trigger['values'])}"
        )
    return next((str(item[key]) for key in NAMES if key in item), None)
