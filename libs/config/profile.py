"""Which rules bind: those of development, where emulators stand in and this machine needs no key, or production's."""

from collections.abc import Mapping
from typing import Literal, cast, get_args

Profile = Literal["development", "production"]
NAME = "CONVERSE_PROFILE"


class UnknownProfile(ValueError):
    """Taken for something else, a misspelt profile would let emulators stand in where real providers are meant."""


def profile_in(environment: Mapping[str, str], default: Profile) -> Profile:
    """The profile that the environment names. Raises UnknownProfile."""
    named = environment.get(NAME) or default
    if named not in get_args(Profile):
        raise UnknownProfile(f"{NAME} is {named!r}: it may be {' or '.join(get_args(Profile))}")
    return cast(Profile, named)
