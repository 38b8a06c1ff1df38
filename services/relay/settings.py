"""What the relay needs to know of its surroundings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The shards to relay, the copies that JetStream keeps (3 on a cluster), and the role whose rights are enough."""

    shards: tuple[int, ...] = (0,)
    replicas: int = 1
    role: str = "converse_relay"


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `python -m services.relay`: CONVERSE_SHARDS (such as `0,1`), CONVERSE_NATS_REPLICAS."""
    return Settings(
        shards=tuple(int(shard) for shard in (environment.get("CONVERSE_SHARDS") or "0").split(",")),
        replicas=int(environment.get("CONVERSE_NATS_REPLICAS") or 1),
    )
