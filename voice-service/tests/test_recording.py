"""Recording: said before, both sides as they were heard, sealed, and gone when it has to be."""

import asyncio
import io
import wave
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from voice_world import CONVERSATION, Voice, bundle, published, until

from events.base import Cause, Draft, Event, Recorded
from events.call import CallRequested, Ended, RecordingDeleted, RecordingStored, TurnTaken
from events.values import PolicyDecision
from libs.domain.recording import ANNOUNCEMENTS
from libs.kit import ids
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.nouns import NOON, PRIYA, PRIYA_PHONE, TENANT
from libs.testkit.servers import StoreOf
from voice_service import calls as calls_of_all
from voice_service.calls import Call, Calls
from voice_service.facts import Facts, Known
from voice_service.recorder import PART_MS
from voice_service.recording import ERASE, NotKept, Recordings, key_of
from voice_service.tracks import FRAME, LAG_MS, RATE, mixed

SETTINGS = "voice: {recording: {enabled: true, retention_days: 30}}\n"
Loudness = np.ndarray[Any, np.dtype[np.float64]]


def sides(wav: bytes) -> list[Loudness]:
    """Contact and agent: how loud, by hundredths of a second."""
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, RATE)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).astype(float)
    whole = samples[: len(samples) // 80 * 80]
    return [np.abs(whole[:, side]).reshape(-1, 80).mean(axis=1) for side in (0, 1)]


def lag(ours: Loudness, theirs: Loudness) -> int:
    """Hundredths of a second by which the one is behind the other, where they fit best."""
    return int(np.correlate(ours, theirs, "full").argmax()) - (len(theirs) - 1)


async def test_a_recorded_call_says_so_first_and_is_both_sides_as_they_were_heard(voice: Voice, tmp_path: Path):
    await published(voice.store, voice.clock, settings=SETTINGS)
    acts = [
        {"on": "speaking", "when": "invoice", "do": [{"say": "Ek minute, payment ho gaya hai."}]},
        {"on": "heard", "when": "note kar liya", "do": [{"wait": 0.5, "hang_up": True}]},
    ]
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.2, "acts": acts, "deaf": True})
    intent = await voice.call()
    [stored] = await voice.until(intent, RecordingStored, seconds=60)
    opening, *_ = await voice.told(intent, TurnTaken)
    assert opening.agent.startswith(ANNOUNCEMENTS["hi"]), "before anything else"
    assert (stored.announced, stored.complete) == (ANNOUNCEMENTS["hi"], True)
    [placed] = await voice.placed()
    heard = await voice.client.get(f"{voice.sandbox}/_sandbox/exotel/calls/{placed['sid']}/recording.wav")
    path = f"{voice.origin}/api/v1/voice/calls/{intent.id}/recording"
    answer = await voice.client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    assert len(answer.content) == 44 + stored.size
    ours, theirs = sides(answer.content), sides(heard.content)
    assert min(ours[0].max(), ours[1].max()) > 500, "there is sound on both sides"
    lags = [lag(one, other) for one, other in zip(ours, theirs, strict=True)]
    assert abs(lags[0] - lags[1]) <= 20, "both sides are as far apart as the phone heard them"
    spoken = [(each > 200).sum() for each in (ours[1], theirs[1])]
    assert abs(spoken[0] - spoken[1]) <= 45, "what was cleared is in neither, but for two blocks on their way"
    objects = [each.read_bytes() for each in (tmp_path / "objects").rglob("*") if each.is_file()]
    assert objects
    assert all(bytes(200) not in each for each in objects), "silence would show in what is not sealed"
    await voice.clock.advance(timedelta(days=31))
    [deleted] = await voice.until(intent, RecordingDeleted, seconds=60)
    assert deleted.reason == "retention"
    assert (await voice.client.get(path)).status_code == 404
    assert not [each for each in (tmp_path / "objects").rglob("*") if each.is_file()]


async def test_who_does_not_want_it_is_not_recorded(voice: Voice, tmp_path: Path):
    await published(voice.store, voice.clock, settings=SETTINGS)
    acts = [{"on": "heard", "when": "kab tak", "do": [{"say": "Please recording band kijiye."}]}]
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.2, "acts": acts, "deaf": True})
    intent = await voice.call()
    [deleted] = await voice.until(intent, RecordingDeleted, seconds=60)
    assert deleted.reason == "refused"
    [placed] = await voice.placed()
    await voice.control("POST", f"/exotel/calls/{placed['sid']}/hang-up")
    await voice.until(intent, Ended)
    assert await voice.told(intent, RecordingStored) == []
    assert not [each for each in (tmp_path / "objects").rglob("*") if each.is_file()]


@dataclass
class Studio:
    """Recordings without a telephone: calls that are fed by the tests."""

    store: Store
    clock: Clock
    folder: Path
    recordings: Recordings
    calls: Calls
    seconds: float = 100.0
    """The time of its calls, which passes as they talk and not as the machine works."""

    async def call(self) -> Call:
        """A call that is recorded."""
        at = self.clock.now()
        allowed = PolicyDecision(verdict="allowed", channel="voice", purpose="general", at=at)
        asked = CallRequested(call="", to=PRIYA_PHONE, opening="Namaste.", instructions="", allowed_by=allowed)
        cause = Cause(id=ids.fresh(), correlation_id=ids.fresh(), occurred_at=at, source="orchestrator")
        draft = Draft(CONVERSATION, asked, f"contact-{PRIYA}", PRIYA)
        appended = await self.store.append_any(TENANT, CONVERSATION, [draft], cause)
        intent: Recorded[Any] = (await self.store.read_stream(TENANT, CONVERSATION, appended.version - 1))[0]
        await self.store.pool.execute(
            """INSERT INTO voice.call (tenant, call, conversation, version, contact, correlation, asked_at, state)
            VALUES ($1, $2, $3, $4, $5, $6, now(), 'answered')""",
            TENANT, intent.id, "1", intent.version, PRIYA, cause.correlation_id,
        )  # fmt: skip
        known = Known(tenant=TENANT, call=intent.id, conversation="1", contact=PRIYA, correlation=cause.correlation_id)
        call = Call(Facts(self.store, self.clock), known, intent, bundle(settings=SETTINGS), "ref", self.calls)
        self.calls.live[call.known.call] = call
        await self.recordings.begin(call)
        return call

    async def talks(self, call: Call, milliseconds: int) -> None:
        """Both speak for so long; the call's own time passes as it does."""
        recorder = call.recorder
        assert recorder is not None
        for _ in range(milliseconds // 100):
            self.seconds += 0.1
            recorder.spoke(b"\x07\x00" * 800)
            recorder.heard(b"\x03\x00" * 800)
        await asyncio.sleep(0)

    async def dies(self, call: Call) -> None:
        """Its process is gone, and a sibling has ended it."""
        self.calls.live.clear()
        await self.store.pool.execute("UPDATE voice.call SET state = 'over' WHERE call = $1", call.known.call)
        await self.store.pool.execute("UPDATE voice.recording SET at = at - interval '1 hour'")

    async def told(self, call: Call) -> list[Event]:
        return [fact.event for fact in await self.store.read_stream(TENANT, f"call-{call.known.call}")]

    def objects(self) -> list[Path]:
        return [each for each in self.folder.rglob("*") if each.is_file()]


@pytest.fixture
async def studio(
    store_of: StoreOf, store: Store, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Studio:
    await clock.set(NOON)
    own, calls = await store_of(role="converse_voice"), Calls()
    recordings = Recordings(own, clock, Facts(own, clock), calls.live, tmp_path.as_uri())
    found = Studio(store, clock, tmp_path, recordings, calls)
    monkeypatch.setattr(calls_of_all, "time", SimpleNamespace(monotonic=lambda: found.seconds))
    return found


async def test_of_a_call_that_dies_what_was_kept_is_kept(studio: Studio):
    call = await studio.call()
    await studio.talks(call, PART_MS + 5_000)

    async def a_part() -> bool:
        return bool(studio.objects())

    await until(a_part)
    await studio.dies(call)
    await studio.recordings.look()
    await studio.recordings.look()
    [stored] = await studio.told(call)
    assert isinstance(stored, RecordingStored)
    assert (stored.complete, stored.seconds) == (False, (PART_MS + 5_000 - LAG_MS) // 1000)
    kept = await studio.recordings.kept(TENANT, call.known.call)
    sound = b"".join([each async for each in kept.sound])
    assert sound[-RATE * FRAME :] == mixed(b"\x03\x00" * RATE, b"\x07\x00" * RATE), "its last second"


async def test_what_a_contact_does_not_want_is_gone_while_the_call_goes_on_and_also_where_its_process_dies(
    studio: Studio,
):
    call = await studio.call()
    await studio.talks(call, PART_MS + 5_000)

    async def a_part() -> bool:
        return bool(studio.objects())

    await until(a_part)
    assert call.recorder is not None
    call.recorder.refused()

    async def looked() -> list[Event]:
        await studio.recordings.look()
        return await studio.told(call)

    await until(looked)
    assert studio.objects() == []
    await studio.dies(call)
    await studio.recordings.look()
    [deleted] = await studio.told(call)
    assert isinstance(deleted, RecordingDeleted)
    assert deleted.reason == "refused"


async def test_of_a_call_that_dies_early_it_is_said_that_nothing_was(studio: Studio):
    call = await studio.call()
    await studio.talks(call, 5_000)
    await studio.dies(call)
    await studio.recordings.look()
    [deleted] = await studio.told(call)
    assert isinstance(deleted, RecordingDeleted)
    assert deleted.reason == "lost"


async def test_who_is_erased_cannot_be_heard_any_more(studio: Studio):
    call = await studio.call()
    await studio.talks(call, 3_000)
    await studio.recordings.end(call)
    await studio.recordings.look()
    async with studio.store.pool.acquire() as connection, connection.transaction():
        await studio.store.keyring.destroy(connection, TENANT, [f"contact-{PRIYA}"])
    [whole] = [each.read_bytes() for each in studio.objects()]
    await studio.store.pool.execute(ERASE, TENANT, PRIYA)
    await studio.recordings.look()
    stored, deleted = await studio.told(call)
    assert isinstance(stored, RecordingStored)
    assert isinstance(deleted, RecordingDeleted)
    assert deleted.reason == "erased"
    assert studio.objects() == []
    with pytest.raises(NotKept, match="erased"):
        await studio.recordings.kept(TENANT, call.known.call)
    keys = await studio.store.keyring.open(TENANT, [key_of(call.known.call)])
    assert keys == {(TENANT, key_of(call.known.call)): None}, "a copy that somebody has is unreadable"
    assert whole
