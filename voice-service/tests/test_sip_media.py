"""A SIP call's media in a pipeline of Pipecat's, against the C baresip: what the port's media promise, without a conversation."""

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from baresip import Call as Line
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import EndFrame, InterruptionFrame, OutputAudioRawFrame, OutputDTMFFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.workers.runner import WorkerRunner
from sip_peers import HEARD, Phone, needs_baresip, phone
from test_sip import CALL, Desk, a_tone, door
from voice_world import bundle, until

from events.base import Recorded
from events.call import CallRequested
from events.values import PolicyDecision
from libs.channels.outcome import Accepted
from libs.config.sip import Trunk
from libs.kit.clock import Clock
from libs.kit.embedded_process import free_port
from libs.kit.store import Store
from libs.testkit.nouns import NOON, PRIYA_PHONE, TENANT
from voice_service.calls import Call, Calls
from voice_service.facts import Facts, Known
from voice_service.settings import SipListens
from voice_service.sip import SipTrunk
from voice_service.sip_media import AHEAD_BYTES, FRAME_BYTES, SipMedia
from voice_service.sip_stack import SipStack
from voice_service.telephony import Media, Wanted

pytestmark = needs_baresip
SECOND = b"\x00\x20\x00\xe0" * 4000
"""A loud second of ours."""


class Talk:
    """The pipeline of one call: its two ends, and nothing between."""

    def __init__(self, store: Store, clock: Clock) -> None:
        allowed = PolicyDecision(verdict="allowed", channel="voice", purpose="general", at=NOON)
        asked = CallRequested(call="", to=PRIYA_PHONE, opening="Namaste.", instructions="", allowed_by=allowed)
        intent: Recorded[Any] = Recorded(envelope=Any, event=asked)  # type: ignore[arg-type] # nobody looks at it
        known = Known(tenant=TENANT, call=CALL, conversation="1", contact=None, correlation=UUID(int=8))
        self.call = Call(Facts(store, clock), known, intent, bundle(), "ref", Calls())
        self.ready = asyncio.Event()
        self.media: SipMedia | None = None
        self.line: Line | None = None
        self._worker: PipelineWorker | None = None

    async def holds(self, tenant: str, media: Media) -> None:
        """As the desk does."""
        assert isinstance(media, SipMedia)
        self.media, self.line = media, media.line
        transport = media.transport(self.call)
        self._worker = worker = PipelineWorker(
            Pipeline([transport.input(), transport.output()]),
            params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,
        )

        @transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator]
        async def gone(_transport: Any, _line: Any) -> None:
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        self.ready.set()
        await runner.run()

    async def say(self, *frames: Any) -> None:
        await asyncio.wait_for(self.ready.wait(), 20)
        assert self._worker is not None
        for frame in frames:
            await self._worker.queue_frame(frame)


@pytest.fixture
async def talk(store: Store, clock: Clock) -> Talk:
    return Talk(store, clock)


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Phone]:
    async with phone(tmp_path, a_tone(tmp_path)) as found:
        yield found


@pytest.fixture
async def over(clock: Clock, talk: Talk, peer: Phone) -> AsyncIterator[Desk]:
    """The call to the phone has been placed; its desk knows when it is over."""
    desk = Desk()
    listens = SipListens(interface="127.0.0.1", at=f"127.0.0.1:{free_port()}", rtp_ports=(15000, 16998))
    sip = SipTrunk(SipStack(listens), clock, desk.told, talk.holds)
    wanted = Wanted(tenant=TENANT, call=CALL, to="phone", max_seconds=60)
    assert await sip.place(door(Trunk.at(peer.address)), wanted) == Accepted(str(CALL))
    yield desk
    await sip.close()


async def test_keys_reach_the_other_end_and_our_last_word_is_heard_before_we_hang_up(
    over: Desk, talk: Talk, peer: Phone, tmp_path: Path
):
    await talk.say(OutputDTMFFrame(buttons=[KeypadEntry(key) for key in "42#"]))
    await until(lambda: asyncio.sleep(0, peer.keys == "42#"))
    await until(lambda: asyncio.sleep(0, talk.call.stt_bytes >= 16000))
    await talk.say(OutputAudioRawFrame(SECOND, 8000, 1), EndFrame())
    await over.over()
    assert over.states == ["ringing", "answered", "completed"]
    assert not talk.call.hung_up, "we did"
    await until(lambda: asyncio.sleep(0, loud(tmp_path) >= 8000 - 2 * FRAME_BYTES // 2))


async def test_who_is_interrupted_takes_back_what_is_written_and_not_on_the_wire(over: Desk, talk: Talk):
    await talk.say(OutputAudioRawFrame(SECOND * 5, 8000, 1))
    assert talk.line is not None
    sound = talk.line.audio
    await until(lambda: asyncio.sleep(0, sound.info().tx_buffered > 0))
    await talk.say(InterruptionFrame())
    await until(lambda: asyncio.sleep(0, sound.stats().tx_flushed_bytes > 0))
    assert sound.stats().tx_high_water <= AHEAD_BYTES + FRAME_BYTES, "never more than that is written ahead"
    await talk.say(EndFrame())
    await over.over()


async def test_a_line_that_we_give_up_ends_the_pipeline_and_the_contact_has_not_hung_up(over: Desk, talk: Talk):
    await until(lambda: asyncio.sleep(0, talk.call.stt_bytes >= 1600))
    assert talk.media is not None
    await talk.media.hang_up()
    await over.over()
    assert not talk.call.hung_up


def loud(folder: Path) -> int:
    """How many loud samples the phone has heard; 0 while its file is written."""
    try:
        with wave.open(str(next(folder.glob(HEARD)))) as file:
            return sum(abs(each) > 4000 for each in memoryview(file.readframes(file.getnframes())).cast("h"))
    except (EOFError, StopIteration, wave.Error):
        return 0


async def test_a_contact_who_hangs_up_ends_the_pipeline(over: Desk, talk: Talk, peer: Phone):
    await until(lambda: asyncio.sleep(0, talk.call.stt_bytes >= 1600))
    await peer.hang_up()
    await over.over()
    assert over.states == ["ringing", "answered", "completed"]
    assert talk.call.hung_up
