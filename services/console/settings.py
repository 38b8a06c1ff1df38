"""What the console needs to know of its surroundings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from libs.config.profile import profile_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`environment` says which channels are live; the profile decides whether loopback needs a key."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    profile: str = "development"
    shard: int = 0


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `python -m services.console`; production unless CONVERSE_PROFILE says otherwise."""
    return Settings(
        environment=environment,
        profile=profile_in(environment, "production"),
        shard=int(environment.get("CONVERSE_SHARD") or 0),
    )
