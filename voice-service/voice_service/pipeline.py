"""The pipeline of one call: ears, the turn-taking engine, the mind, the mouth, and the telephony's media between."""

import asyncio
from typing import Any

from pipecat.frames.frames import EndFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.workers.runner import WorkerRunner

from libs.channels.exotel_media import RATE
from libs.domain.call_lines import language_of
from libs.domain.floor import manners
from libs.kit.clock import Clock
from libs.llm import calls as prompts
from voice_service import limits, lines, tools
from voice_service.calls import Call
from voice_service.costs import Meter
from voice_service.pacing import Paced
from voice_service.providers.ears import Ears
from voice_service.providers.mind import Mind
from voice_service.providers.mouth import Mouth
from voice_service.providers.shared import Shared
from voice_service.providers.switches import Switches
from voice_service.saying import Listened, Planned, Speech, Spoken
from voice_service.settings import Door, Voice
from voice_service.telephony import Media
from voice_service.turns import TurnTaking


async def talk(media: Media, call: Call, door: Door, voice: Voice, shared: Shared, clock: Clock, now: Any) -> None:
    """Hold the conversation until somebody hangs up; `call` knows afterwards how it ended."""
    asked = call.intent.event
    transport = media.transport(call)
    opening: list[Any] = [{"role": "user", "content": "(the call has been answered)"}]
    context = LLMContext(opening, tools=tools.schemas(asked))
    system = prompts.system(asked.instructions, asked.context, now, voice.max_response_words)
    sounds = shared.answered(call.known.call, voice.chains)
    call.meter = Meter(voice.chains.ears[0].provider, voice.chains.mouths[0].provider, media.provider)
    call.characters += sum(map(len, sounds.own))  # its opening was synthesised while it rang
    switches = Switches(call.known.conversation, shared.breakers, call.tell)
    stt = Ears(voice.chains.ears, RATE, shared.warm, switches)
    llm = Mind(voice.chains.minds, shared.claude(door.urls["llm"], door.keys["llm"]), system, switches)
    tts = Mouth(voice.chains.mouths, RATE, shared.warm, switches, sounds, media.chunk)
    speech = Speech(call, language_of(asked.language), voice.max_response_words, sounds)
    planned = Planned(call, speech)
    turns = TurnTaking(call, context, manners(call.bundle.settings.voice), asked.opening, speech, planned, media.chunk)
    steering = tools.Steering(llm, context, call, now, voice.max_response_words)
    worker = PipelineWorker(
        Pipeline(
            [
                transport.input(),
                stt,
                turns,
                Paced(call.pace, speech, voice.chains.minds[0].model),
                llm,
                planned,
                tts,
                Spoken(call),
                transport.output(),
                Listened(speech),
                tools.Remembering(context, steering.told),
            ]
        ),
        params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE, enable_usage_metrics=True),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
    )

    async def hang_up() -> None:
        await worker.queue_frame(EndFrame())

    async def hand_over() -> None:
        line = lines.said("handing_over", language_of(asked.language), call.bundle.settings.voice)
        await turns.close(line, "transferred")

    steering.register(hang_up, hand_over)

    @transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator]  # Pipecat has none
    async def gone(_transport: Any, _line: Any) -> None:
        await worker.cancel()

    limiting = asyncio.create_task(limits.watch(call, clock, turns.close))
    try:
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()
    finally:
        limiting.cancel()
