"""What ingest needs to know of its surroundings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from libs.config.profile import profile_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The profile decides whether loopback needs a key."""

    profile: str = "development"


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `python -m services.ingest`; production unless CONVERSE_PROFILE says otherwise."""
    return Settings(profile=profile_in(environment, "production"))
