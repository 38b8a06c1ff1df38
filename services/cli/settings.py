"""What the command line reads from the environment, and where it keeps the embedded servers' data."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from libs.config.profile import UnknownProfile, profile_in

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED_BUNDLE = REPOSITORY / "infra" / "config"
TENANT = "default"


LARGEST_PORT = 65535


class UserError(Exception):
    """Something that the user can mend; the message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`environment` holds the secrets that the bundle names; `data` is the folder of the embedded servers."""

    environment: Mapping[str, str] = field(repr=False)
    data: Path
    config: Path
    database_url: str | None = field(repr=False, default=None)
    nats_url: str | None = field(repr=False, default=None)
    master_key: str | None = field(repr=False, default=None)
    profile: str = "development"
    port: int = 8000
    host: str = "127.0.0.1"


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `converse`; everything has a default that works without any account. Raises UserError."""
    try:
        profile = profile_in(environment, "development")
    except UnknownProfile as unknown:
        raise UserError(str(unknown)) from unknown
    home = environment.get("CONVERSE_DATA")
    return Settings(
        environment=environment,
        data=Path(home).expanduser() if home else REPOSITORY / ".data",
        config=Path(environment.get("CONVERSE_CONFIG") or SHIPPED_BUNDLE).expanduser(),
        database_url=environment.get("CONVERSE_DATABASE_URL") or None,
        nats_url=environment.get("CONVERSE_NATS_URL") or None,
        master_key=environment.get("CONVERSE_MASTER_KEY") or None,
        profile=profile,
        port=_port(environment.get("CONVERSE_PORT") or "8000"),
        host=environment.get("CONVERSE_HOST") or "127.0.0.1",
    )


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) <= LARGEST_PORT:
        return int(text)
    raise UserError(f"CONVERSE_PORT is {text!r}: a port is a number from 1 to {LARGEST_PORT}")
