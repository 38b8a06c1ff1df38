"""Which configuration bundle decides. Written by cli and console."""

from events.base import Category, Event


class Published(Event, tag="config.published.v1"):
    """From here on new matters are decided by this bundle; the content is stored under its hash."""

    bundle: str
    previous: str | None = None


CONFIG = Category("config", current=(Published,))
