"""`${NAME}` references: a bundle names its secrets, and whoever uses one resolves it against the environment."""

import re
from collections.abc import Mapping

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def references(text: str) -> tuple[str, ...]:
    """The names that `text` refers to."""
    return tuple(REFERENCE.findall(text))


def resolve(text: str | None, env: Mapping[str, str]) -> str | None:
    """`text` with its references filled in; None when one of them is unset or empty."""
    if text is None or any(not env.get(name) for name in references(text)):
        return None
    return REFERENCE.sub(lambda found: env[found[1]], text)


def resolve_all(texts: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str | None]:
    """Every value resolved; None where its secret is missing."""
    return {name: resolve(text, env) for name, text in texts.items()}


def missing(texts: Mapping[str, str], env: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the secrets that `texts` need and the environment does not have."""
    return tuple(name for text in texts.values() for name in references(text) if not env.get(name))
