"""Ids in what the ERP is asked: whose record is meant comes from the matter, never from the contact's words alone."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from libs.domain.names import Names, Source
from libs.domain.templates import TemplateFailed, is_template, used_names

THEIRS: frozenset[Source] = frozenset({"slots", "extracted_info", "said"})
"""Where the contact's words stand."""


def is_id(key: str, parameters: Collection[str] = ()) -> bool:
    """Whether a key of a payload names a record: it fills the endpoint's path, or is called an id."""
    return key in parameters or key == "id" or key.endswith("_id")


def paths_of(value: Any, *, bare_paths: bool) -> Iterator[str]:
    """The paths that a value of a payload names."""
    match value:
        case str() if is_template(value):
            try:
                yield from used_names(value)
            except TemplateFailed:
                return
        case str() if bare_paths:
            yield value
        case list() | tuple():
            for part in value:
                yield from paths_of(part, bare_paths=bare_paths)


def refusal(
    payload: Mapping[str, Any],
    rendered: Mapping[str, Any],
    names: Names,
    parameters: Collection[str] = (),
    *,
    bare_paths: bool = False,
) -> str | None:
    """Why a payload may not be sent: an id in it is what the contact said, and none that the matter's facts hold."""
    for key, value in payload.items():
        if isinstance(value, Mapping):
            below = rendered.get(key)
            inner = below if isinstance(below, Mapping) else {}
            if why := refusal(value, inner, names, parameters, bare_paths=bare_paths):
                return why
        elif is_id(key, parameters) and any(
            names.find(path).source in THEIRS for path in paths_of(value, bare_paths=bare_paths)
        ):
            given = rendered.get(key)
            if not all(is_known(each, names) for each in (given if isinstance(given, list) else [given])):
                return f"{key} is what the contact said, and no id that this matter knows"
    return None


def is_known(value: Any, names: Names) -> bool:
    """Whether a value stands in the matter's facts, the ERP's answers, or is the contact's own id."""
    own = (names.entity_id, names.business_context, names.tool_results, (names.contact or {}).get("id"))
    return str(value).strip().casefold() in {str(each).casefold() for each in leaves(own) if each is not None}


def leaves(value: Any) -> Iterator[Any]:
    """Every single value within lists and objects."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value
