"""The contact at the other end of WhatsApp, who answers from a script."""

import re
from collections.abc import Mapping

from services.sandbox.settings import ANYONE, Line, Script


class Contacts:
    """Everybody who has a phone in the sandbox. Somebody without a script, or whose lines do not fit, stays silent."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self._initial = dict(scripts)
        self._scripts: dict[str, Script] = {}
        self._spoken: set[tuple[str, int]] = set()
        self.reset()

    def reset(self) -> None:
        """Everybody is as the settings describe them, and has said nothing yet."""
        self._scripts = {}
        for phone, script in self._initial.items():
            self.give(phone, script)

    def give(self, phone: str, script: Script) -> None:
        """The contact at `phone` (`*`: everybody else) behaves like this from now on.

        Raises ValueError for an expression that cannot be compiled.
        """
        for line in script.lines:
            try:
                re.compile(line.when or "")
            except re.error as error:
                raise ValueError(f"{line.when!r} is not a regular expression: {error}") from error
        key = _key(phone)
        self._scripts[key] = script
        self._spoken = {(who, line) for who, line in self._spoken if (who if who in self._scripts else ANYONE) != key}

    def name(self, phone: str) -> str:
        """The name in the contact's WhatsApp profile."""
        return self._script(phone).name or "Contact"

    def hear(self, phone: str, text: str, template: str | None) -> Line | None:
        """The line that answers a message, if any; a line that is said `once` is used up by this."""
        for index, line in enumerate(self._script(phone).lines):
            if line.once and (_key(phone), index) in self._spoken:
                continue
            if line.when is None or any(re.search(line.when, heard, re.IGNORECASE) for heard in (text, template or "")):
                if line.once:
                    self._spoken.add((_key(phone), index))
                return line
        return None

    @property
    def scripts(self) -> Mapping[str, Script]:
        """All scripts, by phone as digits."""
        return dict(self._scripts)

    def _script(self, phone: str) -> Script:
        return self._scripts.get(_key(phone)) or self._scripts.get(ANYONE) or Script()


def _key(phone: str) -> str:
    """A phone as digits, in whatever notation it came; `*` and user ids stay as they are."""
    return phone if phone == ANYONE or phone[:1].isalpha() else re.sub(r"\D", "", phone)
