"""What is read of calls over HTTP: those that go on in all processes, how long contacts wait, and recordings."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from events.call import CallTaken
from libs.config import call_costs
from libs.config.bundle import Bundle
from libs.domain.latency import budget_of
from libs.kit.auth import Auth
from libs.kit.bundles import Bundles, NothingPublished
from libs.kit.objects import ObjectErased, ObjectMissing, ObjectsAway
from libs.kit.problems import Problem
from voice_service.calls import Calls
from voice_service.costs import HOME
from voice_service.measures import Siblings, Told, renamed
from voice_service.recording import Kept, NotKept, Recordings
from voice_service.tracks import wav_head


def shown(calls: Calls, worker: str, tenant: str) -> Told:
    """What this process, the `worker`, tells of a tenant."""
    mine = [call for call in calls.live.values() if call.known.tenant == tenant]
    return calls.measures.told(
        tenant,
        [
            {
                "call_id": str(call.known.call),
                "contact_id": call.known.contact,
                "status": "in-progress",
                "direction": "inbound" if isinstance(call.intent.event, CallTaken) else "outbound",
                "duration_s": call.seconds,
                "turns": call.turns,
                "latency": renamed(call.tracker.percentiles()),
                "worker": worker,
                "recording": call.recorder is not None and not call.recorder.refusal,
            }
            for call in mine
        ],
        degraded=any(call.pace.degraded for call in mine),
    )


def routes(
    siblings: Siblings, recordings: Recordings, bundles: "Bundles[Bundle]", auth: Auth
) -> list[ControllerRouterHandler]:
    """The paths that are read."""

    @get("/api/v1/voice/calls")
    async def active(request: Request[Any, Any, Any]) -> dict[str, Any]:
        """The calls of all processes, how long the contacts wait, and what would help."""
        caller = await auth.caller(request, "read")
        try:
            told = (await bundles.current(caller.tenant)).settings.voice
        except NothingPublished:
            told = {}
        alarm = call_costs.terms_of(told).per_minute.get(HOME)
        return await siblings.sight(caller.tenant, budget_of(told), None if alarm is None else alarm / 1_000_000)

    @get("/api/v1/voice/calls/{call_id:uuid}/recording")
    async def recording(request: Request[Any, Any, Any], call_id: FromPath[UUID]) -> Stream:
        """The recording of a call as a WAV file: the contact on the left, we on the right."""
        caller = await auth.caller(request, "read")
        with _heard():
            kept = await recordings.kept(caller.tenant, call_id)
            first = await anext(kept.sound, b"")
        headers = {
            "content-length": str(len(wav_head(0)) + kept.size),
            "content-disposition": f'attachment; filename="{call_id}.wav"',
            "cache-control": "no-store",
        }
        return Stream(_file(kept, first), media_type="audio/wav", headers=headers)

    return [active, recording]


async def _file(kept: Kept, first: bytes) -> AsyncIterator[bytes]:
    yield wav_head(kept.size)
    yield first
    async for sound in kept.sound:
        yield sound


@contextmanager
def _heard() -> Iterator[None]:
    try:
        yield
    except NotKept as error:
        raise Problem(404, "There is no recording", str(error)) from error
    except (ObjectErased, ObjectMissing) as error:
        raise Problem(404, "There is no recording", "it was erased") from error
    except ObjectsAway as error:
        raise Problem(503, "Recordings cannot be read now", str(error), headers={"retry-after": "10"}) from error
