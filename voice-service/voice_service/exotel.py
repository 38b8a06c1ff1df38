"""Exotel as a carrier: calls by its API, what becomes of them by callbacks (http.py), their media over a WebSocket to us."""

import httpx

from libs.channels import exotel
from libs.channels.call_status import Status
from libs.channels.outcome import Outcome, Refused
from libs.channels.sms_items import Malformed
from libs.kit.clock import Clock
from voice_service.leases import MEDIA
from voice_service.settings import Door
from voice_service.telephony import Asked, CarrierAway, Wanted


class Exotel:
    """Adapter of telephony.Carrier. `worker` is this process's name, by which the media of what it dials come back to it."""

    def __init__(self, client: httpx.AsyncClient, clock: Clock, worker: str) -> None:
        self._client = client
        self._clock = clock
        self._worker = worker

    async def place(self, door: Door, wanted: Wanted) -> Outcome:
        """One POST: Exotel has no idempotency keys."""
        request = exotel.write(
            account_sid=door.account_sid,
            call=str(wanted.call),
            to=wanted.to,
            caller_id=door.caller_id,
            stream_url=wanted.elsewhere or self._media(door, wanted.tenant),
            callback=f"{door.origin}/api/v1/voice/status/{wanted.tenant}/{door.secret}",
            ring_seconds=wanted.ring_seconds,
            max_seconds=wanted.max_seconds,
            flow=None if wanted.elsewhere else door.flow,
        )
        if isinstance(request, Refused):
            return request
        url = door.urls["telephony"] + request.path
        try:
            answer = await self._client.post(url, data=dict(request.form), auth=_auth(door))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return exotel.classify("not_connected")
        except httpx.HTTPError:
            return exotel.classify("no_answer")
        wait = answer.headers.get("retry-after", "")
        after = float(wait) if wait.replace(".", "", 1).isdigit() else None
        return exotel.classify(answer.status_code, answer.content, retry_after=after)

    async def ask(self, door: Door, asked: Asked) -> Status | None:
        """By its details; a lost one is the only stranger in the list of calls to its number. One that goes on is `ringing`."""
        try:
            ref = asked.ref or await self._found(door, asked)
            if ref is None:
                return None
            now = self._clock.now()
            told = exotel.read_details(await details(self._client, door, ref), now)
        except (httpx.HTTPError, Malformed) as error:
            raise CarrierAway(type(error).__name__) from error
        if told is None:
            return Status(ref=ref, call=str(asked.call), state="ringing", at=now)
        return Status(ref=ref, call=str(asked.call), state=told.state, at=told.at, seconds=told.seconds)

    async def close(self) -> None:
        """Its calls end with their WebSockets."""

    def _media(self, door: Door, tenant: str) -> str:
        return f"{door.media.replace('http', 'ws', 1)}{MEDIA}{self._worker}/{tenant}/{door.secret}"

    async def _found(self, door: Door, asked: Asked) -> str | None:
        listed = await _get(self._client, door, exotel.list_path(door.account_sid, asked.to, asked.since))
        return exotel.found_in(listed, asked.to, asked.since, asked.known)


async def details(client: httpx.AsyncClient, door: Door, ref: str) -> bytes:
    """What Exotel knows of a call. Raises httpx.HTTPError."""
    return await _get(client, door, exotel.details_path(door.account_sid, ref))


async def _get(client: httpx.AsyncClient, door: Door, path: str) -> bytes:
    answer = await client.get(door.urls["telephony"] + path, auth=_auth(door))
    answer.raise_for_status()
    return answer.content


def _auth(door: Door) -> tuple[str, str]:
    return door.api_key, door.keys["telephony"]
