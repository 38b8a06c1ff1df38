"""What rules needs to know of its surroundings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One shard is heard by one active instance; more instances stand by."""

    shard: int = 0


class SettingMissing(Exception):
    """The environment lacks something that the service cannot do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What the service needs where it runs in a process of its own."""

    database_url: str = field(repr=False)
    nats_url: str = field(repr=False)
    master_key: str | None = field(repr=False, default=None)
    host: str = "0.0.0.0"
    port: int = 8000
    settings: Settings = field(default_factory=Settings)


def from_environment(environment: Mapping[str, str] = os.environ) -> Process:
    """Read CONVERSE_DATABASE_URL, CONVERSE_NATS_URL, CONVERSE_MASTER_KEY, and optionally CONVERSE_HOST, CONVERSE_PORT,
    CONVERSE_SHARD. Raises SettingMissing."""
    for name in ("CONVERSE_DATABASE_URL", "CONVERSE_NATS_URL"):
        if not environment.get(name):
            raise SettingMissing(
                f"{name} is not set: a service in a process of its own needs it (`converse up` does not)"
            )
    return Process(
        database_url=environment["CONVERSE_DATABASE_URL"],
        nats_url=environment["CONVERSE_NATS_URL"],
        master_key=environment.get("CONVERSE_MASTER_KEY"),
        host=environment.get("CONVERSE_HOST", "0.0.0.0"),
        port=int(environment.get("CONVERSE_PORT", "8000")),
        settings=Settings(shard=int(environment.get("CONVERSE_SHARD", "0"))),
    )
