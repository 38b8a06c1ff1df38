"""Templates: texts of the bundle with names in them, rendered in a sandbox that can reach nothing but those names."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from jinja2 import TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError

from libs.domain.names import UNDEFINED, Names
from libs.domain.sandbox import Compiled, NotAllowed, Run, TooLong, compiled

_BARE = re.compile(r"\s*\{\{-?\s*([^\W\d]\w*(?:\.\w+|\[\d+\])*)\s*-?\}\}\s*")


_ODD = (SecurityError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)


class TemplateFailed(Exception):
    """A template could not be rendered; nothing of it may be used."""

    def __init__(self, template: str, reason: str) -> None:
        super().__init__(f"the template {_clipped(template)!r} failed: {reason}")
        self.template = template
        self.reason = reason


class UndefinedName(TemplateFailed):
    """A template speaks of a name that has no value here."""

    def __init__(self, name: str, template: str) -> None:
        super().__init__(template, f"{name} is undefined")
        self.name = name


class Rendered(msgspec.Struct, frozen=True):
    """A prompt's text, and the names that read "(unknown)" in it."""

    text: str
    undefined: tuple[str, ...] = ()


def render(template: str, names: Names) -> Rendered:
    """Render for a prompt: an undefined or null name reads "(unknown)" and is recorded.

    Raises TemplateFailed for a template that is wrong in itself or longer than 64 Ki characters when rendered.
    """
    unknown: dict[str, None] = {}
    text = _rendered(template, names, unknown)
    return Rendered(text, tuple(unknown))


def render_strict(template: str, names: Names) -> str:
    """Render for a reader or a payload. Raises UndefinedName for an undefined or null name, TemplateFailed else."""
    return _rendered(template, names, None)


def render_value(value: Any, names: Names) -> Any:
    """Render a value of configuration strictly: one bare `{{name}}` keeps the name's type; lists and objects within."""
    match value:
        case str():
            return _value(value, names)
        case Mapping():
            return {key: render_value(part, names) for key, part in value.items()}
        case list() | tuple():
            return [render_value(part, names) for part in value]
    return value


def render_payload(payload: Mapping[str, Any], names: Names, *, bare_paths: bool = False) -> dict[str, Any]:
    """Render a payload strictly. With `bare_paths` (a tool's `payload_template`) a text without `{{ }}` is a path."""
    return {key: _payload_value(value, names, bare_paths) for key, value in payload.items()}


def used_names(template: str) -> frozenset[str]:
    """The paths that a template names, whether or not a run of it reaches them. Raises TemplateFailed."""
    return _compiled(template).names


def syntax_error(template: str) -> str | None:
    """What is wrong with a template in itself, or None."""
    try:
        _compiled(template)
    except TemplateFailed as wrong:
        return wrong.reason
    return None


def is_template(text: str) -> bool:
    """Whether a text has anything to render."""
    return any(mark in text for mark in ("{{", "{%", "{#"))


def _rendered(template: str, names: Names, unknown: dict[str, None] | None) -> str:
    if not is_template(template):
        return template
    made = _compiled(template)
    try:
        return made.text(Run(names, unknown))
    except UndefinedError as missing:
        raise UndefinedName(missing.message or "a value", template) from None
    except TooLong as refused:
        raise TemplateFailed(template, str(refused)) from None
    except _ODD as odd:
        raise TemplateFailed(template, f"a value does not fit its place: {odd}") from odd


def _value(template: str, names: Names) -> Any:
    bare = _BARE.fullmatch(template)
    return _named(bare[1], template, names) if bare else render_strict(template, names)


def _payload_value(value: Any, names: Names, bare_paths: bool) -> Any:
    match value:
        case str() if bare_paths and not is_template(value):
            return _named(value, value, names)
        case str():
            return _value(value, names)
        case Mapping():
            return render_payload(value, names, bare_paths=bare_paths)
        case list() | tuple():
            return [_payload_value(part, names, bare_paths) for part in value]
    return value


def _named(path: str, template: str, names: Names) -> Any:
    value = names.get(path)
    if value is UNDEFINED:
        raise UndefinedName(path, template)
    return value


@lru_cache(maxsize=4096)
def _compile(template: str) -> Compiled | str:
    try:
        return compiled(template)
    except (TemplateSyntaxError, NotAllowed) as wrong:
        return str(wrong)
    except RecursionError:
        return "it is nested too deeply"


def _compiled(template: str) -> Compiled:
    made = _compile(template)
    if isinstance(made, str):
        raise TemplateFailed(template, made)
    return made


def _clipped(template: str) -> str:
    return template if len(template) <= 80 else f"{template[:77]}..."
