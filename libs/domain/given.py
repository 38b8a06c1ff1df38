"""What somebody outside gives us, and how it is refused where it cannot be meant."""

MAX_ID = 200
"""Characters of an id."""
BIGINT = 2**63 - 1
"""The largest whole number that Postgres keeps: no position and no row has a larger one."""


class Wrong(Exception):
    """Something that is well-formed and still cannot be meant. `path` is where, the message what would be right."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


def unkeepable(text: str) -> str | None:
    """Why nothing can have this id: 1 to 200 characters, none of them a control character; None where something can."""
    if not 1 <= len(text) <= MAX_ID:
        return f"1 to {MAX_ID} characters are allowed, this has {len(text)}"
    return None if text.isprintable() else "control characters are not allowed"


def check_id(path: str, value: str | None) -> None:
    """Raises Wrong for what can be nothing's id; None is none."""
    if value is not None and (why := unkeepable(value)) is not None:
        raise Wrong(path, why)


def may_be_id(text: str) -> bool:
    """Whether something may have this id."""
    return unkeepable(text) is None
