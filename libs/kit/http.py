"""The HTTP client that every adapter shares the make of: bounded in time, in connections, and free of redirects."""

import functools
import ssl
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx

from libs.kit import telemetry

CONNECT = timedelta(seconds=3)
TOTAL = timedelta(seconds=10)


def client(
    base_url: str = "",
    *,
    headers: dict[str, str] | None = None,
    timeout: timedelta = TOTAL,
    connections: int = 100,
    verify: bool | ssl.SSLContext = True,
    auth: httpx.Auth | None = None,
) -> httpx.AsyncClient:
    """An `httpx.AsyncClient`; the caller closes it.

    `timeout` bounds each read and write; a bound on the whole call is the effect ledger's. Redirects are not followed,
    proxies of the environment are not used, and the trace context travels along.
    """

    async def trace_along(request: httpx.Request) -> None:
        telemetry.inject(request.headers)

    options: dict[str, Any] = {"auth": auth} if auth else {}
    return httpx.AsyncClient(
        base_url=base_url,
        headers=headers,
        timeout=httpx.Timeout(timeout.total_seconds(), connect=min(CONNECT, timeout).total_seconds()),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=30),
        follow_redirects=False,
        trust_env=False,
        verify=_authorities() if verify is True else verify,
        event_hooks={"request": [trace_along]},
        **options,
    )


@functools.cache
def _authorities() -> ssl.SSLContext:
    """The public certificate authorities; reading them takes longer than everything else about a client."""
    return httpx.create_ssl_context(trust_env=False)


def retry_after(headers: Mapping[str, str] | None) -> float | None:
    """Retry-After in seconds, by headers in any case; a date is left to our own backoff."""
    told = httpx.Headers(headers or {}).get("retry-after")
    try:
        return max(0.0, float(told)) if told else None
    except ValueError:
        return None
