"""Which configuration bundle decides. Written by cli."""

from events.base import Category, Event


class Published(Event, tag="config.published.v1"):
    """From here on new matters are decided by this bundle; the content is stored under its hash."""

    bundle: str
    previous: str | None = None


class MigrationRequested(Event, tag="config.migration_requested.v1"):
    """Somebody moves what runs in a conversation to another stored bundle; without `matters` all of it."""

    conversation: str
    bundle: str
    matters: list[str] = []


CONFIG = Category("config", current=(Published, MigrationRequested))
