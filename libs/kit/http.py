"""The HTTP client that every adapter shares the make of: bounded in time, in connections, and free of redirects."""

import functools
import math
import ssl
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from libs.kit import telemetry

CONNECT = timedelta(seconds=3)
TOTAL = timedelta(seconds=10)
LONGEST_WAIT_S = timedelta(days=30).total_seconds()


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


class TooLarge(Exception):
    """A body is larger than it may be."""


async def whole(answer: httpx.Response, *, most: int) -> bytes:
    """The decoded body of a streamed answer. Raises TooLarge beyond `most` bytes, before more is read."""
    parts: list[bytes] = []
    size = 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > most:
            raise TooLarge
        parts.append(part)
    return b"".join(parts)


def retry_after(headers: Mapping[str, str] | None) -> float | None:
    """The least wait that Retry-After asks for (RFC 9110, 10.2.3), in seconds; None for what is neither a number nor a date.

    A date counts from the answer's own Date, so that no clock of ours matters. What is longer than can be waited for is
    `LONGEST_WAIT_S`: whoever asks for it is not asked again by any effect.
    """
    named = {name.lower(): value for name, value in (headers or {}).items()}
    told = named.get("retry-after")
    if told is None:
        return None
    try:
        seconds = float(told)
    except ValueError:
        seconds = _until(told, named.get("date", ""))
    return None if math.isnan(seconds) else min(max(0.0, seconds), LONGEST_WAIT_S)


def _until(moment: str, now: str) -> float:
    """Seconds from one HTTP date to another; nan where one of them is none."""
    try:
        return (parsedate_to_datetime(moment) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return math.nan
