"""What backend-sync needs of the environment: how the ERP is reached."""

import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from libs.config import emulators
from libs.config.bundle import Bundle
from libs.config.secrets import resolve, resolve_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`environment` resolves the bundle's `${NAME}`; `sandbox_url` is the emulated ERP where the bundle names none."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    sandbox_url: str | None = None
    shard: int = 0


class NoBackend(Exception):
    """The bundle names no ERP, or one that cannot be authenticated with."""


@dataclass(frozen=True, slots=True)
class Door:
    """How the ERP is called: where, and with which headers."""

    base_url: str
    headers: Mapping[str, str] = field(repr=False)


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `python -m services.backend_sync`."""
    return Settings(environment=environment, sandbox_url=environment.get(emulators.variable("backend")))


def door(bundle: Bundle, settings: Settings) -> Door:
    """Where a bundle's ERP is. Raises NoBackend."""
    backend = bundle.settings.backend
    base_url = resolve(backend.base_url, settings.environment)
    if base_url is None:
        if settings.sandbox_url is None:
            raise NoBackend("the bundle names no backend.base_url, and there is no sandbox")
        return Door(settings.sandbox_url.rstrip("/"), {})
    secrets = resolve_all(backend.auth_credentials, settings.environment)
    return Door(base_url.rstrip("/"), _headers(backend.auth_type, secrets))


def _headers(auth_type: str, secrets: Mapping[str, str | None]) -> dict[str, str]:
    def secret(name: str) -> str:
        value = secrets.get(name)
        if not value:
            raise NoBackend(f"backend.auth_credentials.{name} is not set; auth_type {auth_type!r} needs it")
        return value

    match auth_type:
        case "none":
            return {}
        case "bearer":
            return {"authorization": f"Bearer {secret('token')}"}
        case "basic":
            pair = f"{secret('username')}:{secret('password')}".encode()
            return {"authorization": f"Basic {b64encode(pair).decode()}"}
        case "api_key":
            return {secrets.get("header") or "X-API-Key": secret("key")}
        case _:
            raise NoBackend(f"auth_type {auth_type!r} is not built yet; there are none, bearer, basic, api_key")
