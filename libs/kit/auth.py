"""Who calls: API keys with scopes; in the development profile, requests from loopback need none."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Literal, get_args
from uuid import UUID

from litestar.connection import ASGIConnection

from events.base import Cause
from libs.kit import telemetry
from libs.kit.appends import asking_postgres
from libs.kit.problems import Problem
from libs.kit.tenants import Tenants

Scope = Literal["events:write", "followups:write", "contacts:write", "context:write", "read", "operate", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
DEFAULT_TENANT = "default"


@dataclass(frozen=True, slots=True)
class Caller:
    """For which tenant somebody calls, and by which name they are recorded."""

    tenant: str
    name: str

    def cause(self, cause_id: UUID, *, source: str, at: datetime) -> Cause:
        """Why a fact is written that they asked for, at business time `at`."""
        return Cause(
            id=cause_id,
            correlation_id=cause_id,
            occurred_at=at,
            source=source,
            actor=self.name,
            traceparent=telemetry.traceparent(),
        )


class Auth:
    """Tells callers apart by the key in `Authorization: Bearer <key>`."""

    def __init__(self, tenants: Tenants, *, profile: str) -> None:
        self._tenants = tenants
        self._open = profile == "development"

    async def caller(self, request: ASGIConnection[Any, Any, Any, Any], scope: Scope) -> Caller:
        """Who calls. Raises Problem: 401 without a valid key, 403 with one that lacks the scope."""
        header = request.headers.get("authorization", "")
        kind, _, token = header.partition(" ")
        if not header and self._open and _is_loopback(request):
            return Caller(DEFAULT_TENANT, "development")
        if kind.lower() != "bearer" or not token.strip():
            raise Problem(
                401,
                "No API key",
                "send `Authorization: Bearer <key>`; `converse keys create` makes one",
                headers={"www-authenticate": "Bearer"},
            )
        with asking_postgres():
            key = await self._tenants.verify(token.strip())
        if key is None:
            raise Problem(401, "Unknown API key", "this key does not exist or was revoked")
        if scope not in key.scopes and "admin" not in key.scopes:
            raise Problem(403, "The API key lacks a scope", f"this call needs the scope {scope!r}")
        return Caller(key.tenant, key.name)


def _is_loopback(request: ASGIConnection[Any, Any, Any, Any]) -> bool:
    if request.client is None or "x-forwarded-for" in request.headers:
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
