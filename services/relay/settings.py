"""What the relay needs to know of its surroundings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The shards to relay, the copies that JetStream keeps (3 on a cluster), and the role whose rights are enough."""

    shards: tuple[int, ...] = (0,)
    replicas: int = 1
    role: str = "converse_relay"


class SettingMissing(Exception):
    """The environment lacks something that the service cannot do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What the service needs where it runs in a process of its own."""

    database_url: str = field(repr=False)
    nats_url: str = field(repr=False)
    host: str = "0.0.0.0"
    port: int = 8000
    settings: Settings = field(default_factory=Settings)


def from_environment(environment: Mapping[str, str] = os.environ) -> Process:
    """Read CONVERSE_DATABASE_URL, CONVERSE_NATS_URL, and optionally CONVERSE_HOST, CONVERSE_PORT, CONVERSE_SHARDS
    (such as `0,1`), CONVERSE_NATS_REPLICAS. Raises SettingMissing."""
    for name in ("CONVERSE_DATABASE_URL", "CONVERSE_NATS_URL"):
        if not environment.get(name):
            raise SettingMissing(
                f"{name} is not set: a service in a process of its own needs it (`converse up` does not)"
            )
    return Process(
        database_url=environment["CONVERSE_DATABASE_URL"],
        nats_url=environment["CONVERSE_NATS_URL"],
        host=environment.get("CONVERSE_HOST", "0.0.0.0"),
        port=int(environment.get("CONVERSE_PORT", "8000")),
        settings=Settings(
            shards=tuple(int(shard) for shard in environment.get("CONVERSE_SHARDS", "0").split(",")),
            replicas=int(environment.get("CONVERSE_NATS_REPLICAS", "1")),
        ),
    )
