"""What the orchestrator needs to know of its surroundings."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from libs.config import emulators
from libs.config.profile import profile_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`environment` holds the secrets that the bundle names; `sandbox_url` is Claude's emulator where there is no key.

    `test_recipients` bind live channels in the development profile only. The channels that are `off` nobody serves here.
    """

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    sandbox_url: str | None = None
    profile: str = "development"
    shard: int = 0
    off: frozenset[str] = frozenset()


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `python -m services.orchestrator`; production unless CONVERSE_PROFILE says otherwise."""
    return Settings(
        environment=environment,
        sandbox_url=environment.get(emulators.variable("llm")),
        profile=profile_in(environment, "production"),
        shard=int(environment.get("CONVERSE_SHARD") or 0),
    )
