"""A whole call through the emulators alone: a business that listens with Flux and speaks with Cartesia understands a person.

Nothing is told behind the wire: sound goes from the phone to Exotel, to the business, to Deepgram; and back from Cartesia.
"""

import asyncio
import base64
import contextlib
import json
import wave
from io import BytesIO
from typing import Any

import pytest
from websockets.asyncio.client import connect

from services.sandbox.contact_people import PRIYA
from services.sandbox.voice.settings import ExotelSettings
from tests.services.sandbox.conftest import Sandbox
from tests.services.sandbox.voice import test_cartesia, test_flux
from tests.services.sandbox.voice.rig import Agent, Exotel, agent

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWERS = {
    "Hello?": "Namaste Priya ji, aapka invoice baaki hai.",
    "WhatsApp": "Maine WhatsApp par bhej diya hai. Kab tak payment karenge?",
    "20 February": "Dhanyavaad, note kar liya hai.",
}


@pytest.fixture
def account() -> ExotelSettings:
    """Fast, and still slow enough for sound to go round."""
    return ExotelSettings(speed=5, callback_backoff=0.01)


async def listen(business: Agent, sandbox: Sandbox, turns: list[str]) -> None:
    """Send the contact's sound to Flux, and answer each turn with Cartesia's."""
    async with (
        connect(test_flux.flux(sandbox), additional_headers=test_flux.KEY) as ears,
        connect(test_cartesia.url(sandbox), additional_headers=test_cartesia.PIPECAT) as mouth,
    ):

        async def hear() -> None:
            count = 0
            while True:
                count += 1
                frame = await business.until(event="media", count=count)
                await ears.send(base64.b64decode(frame["media"]["payload"]))

        async def answer() -> None:
            async for raw in ears:
                turn: dict[str, Any] = json.loads(raw)
                if turn.get("event") != "EndOfTurn":
                    continue
                turns.append(turn["transcript"])
                text = next((said for heard, said in ANSWERS.items() if heard in turn["transcript"]), "")
                if text:
                    await say(text, f"t{len(turns)}")

        async def say(text: str, context: str) -> None:
            await mouth.send(json.dumps(test_cartesia.said(text, context)))
            await mouth.send(json.dumps(test_cartesia.last(context)))
            sound = b""
            async for raw in mouth:
                frame: dict[str, Any] = json.loads(raw)
                sound += base64.b64decode(frame.get("data", ""))
                if frame["type"] == "done":
                    break
            await business.speak(sound)

        async with asyncio.TaskGroup() as both:
            both.create_task(hear())
            both.create_task(answer())


async def talk(sandbox: Sandbox, number: str) -> tuple[dict[str, Any], list[str]]:
    """A call, and the turns that the business understood."""
    turns: list[str] = []
    async with agent() as business:
        exotel = Exotel(sandbox, {"StreamUrl": business.url, "From": number})
        sid = await exotel.call()
        await business.until(event="start")
        listening = asyncio.create_task(listen(business, sandbox, turns))
        try:
            async with asyncio.timeout(30):
                return await exotel.over(sid), turns
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError, ExceptionGroup):
                await listening


async def test_priya_gets_her_invoice_promises_and_says_goodbye(sandbox: Sandbox):
    call, turns = await talk(sandbox, PRIYA.addresses["whatsapp"])
    assert [turn for turn in turns if turn != "hmm"] == [
        "Hello?",
        "Haan ji, mujhe invoice WhatsApp pe bhej do.",
        "Theek hai, 20 February tak payment kar denge.",
        "Theek hai, dhanyavaad, bye.",
    ]
    assert call["heard"] == list(ANSWERS.values())
    assert (call["status"], call["disconnected_by"], call["problems"]) == ("completed", "user", [])
    file = await sandbox.client.get(f"/_sandbox/exotel/calls/{call['sid']}/recording.wav")
    with wave.open(BytesIO(file.content)) as recording:
        assert (recording.getnchannels(), recording.getframerate()) == (2, 8000)
        assert recording.getnframes() / 8000 == pytest.approx(call["seconds"], abs=0.6)
    picture = await sandbox.client.get(f"/_sandbox/exotel/calls/{call['sid']}/timeline.svg")
    assert "mujhe invoice WhatsApp pe bhej do" in picture.text
