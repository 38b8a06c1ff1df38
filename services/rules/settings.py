"""What rules needs to know of its surroundings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One shard is heard by one active instance; more instances stand by."""

    shard: int = 0


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `python -m services.rules`: CONVERSE_SHARD."""
    return Settings(shard=int(environment.get("CONVERSE_SHARD") or 0))
