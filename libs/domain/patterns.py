"""Regular expressions of the bundle, matched in time that grows with the text and never with the pattern's tricks: RE2's syntax."""

from functools import lru_cache
from typing import Any

import re2

LONGEST = 1_000
"""Characters of a pattern."""

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False  # it would write to standard error


class NoPattern(Exception):
    """It is no regular expression as RE2 knows them; the message says why."""


def found(pattern: Any, text: str) -> bool:
    """Whether `pattern` matches anywhere in `text`. Raises NoPattern."""
    # A lone surrogate stands for nothing that could be matched, and RE2 takes none.
    return _compiled(pattern).search(text.encode("utf-8", "replace").decode()) is not None


def error(pattern: Any) -> str | None:
    """What is wrong with a pattern, or None."""
    try:
        _compiled(pattern)
    except NoPattern as wrong:
        return str(wrong)
    return None


def _compiled(pattern: Any) -> Any:
    if not isinstance(pattern, str):
        raise NoPattern("it is no text")
    if len(pattern) > LONGEST:
        raise NoPattern(f"it has {len(pattern)} characters, {LONGEST} at most are read")
    return _compile(pattern)


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> Any:
    try:
        return re2.compile(pattern, _OPTIONS)
    except (re2.error, UnicodeError) as wrong:
        told = wrong.args[0] if wrong.args else ""
        raise NoPattern(told.decode("utf-8", "replace") if isinstance(told, bytes) else str(wrong)) from None
