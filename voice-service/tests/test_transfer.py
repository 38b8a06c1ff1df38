"""A contact is handed over to a person: our media end, the flow rings them, and whom nobody takes comes back to us."""

from typing import Any

from voice_world import Voice, published, until

from events.base import Recorded
from events.call import Answered, Ended, TransferOver, TurnTaken
from events.phone import CallGuided, TransferRequested
from libs.channels import exotel
from libs.testkit.nouns import PRIYA_PHONE

PERSON = "+918047000001"
STAFF = f"voice:\n  transfer: {{numbers: ['{PERSON}'], ring_seconds: 6}}\n"
WANTS = [
    {"on": "heard", "when": "madad", "do": [{"say": "Manager se baat karao!"}]},
]
WHISPER = "Call from Priya Sharma. About invoice INV-2026-0042. They said: wants a manager"


async def wants_a_person(voice: Voice) -> tuple[str, Recorded[Any]]:
    """Priya calls, and asks for the manager; the orchestrator has a person take over."""
    await published(voice.store, voice.clock, settings=STAFF)
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"calling": WANTS, "deaf": True})
    sid, came = await voice.calls_us()
    await voice.takes(came)
    await voice.until(came, TurnTaken)
    asked = TransferRequested(call=came.subject_id, reason="wants a manager", whisper=WHISPER)
    await voice.happens(asked)
    await voice.happens(CallGuided(call=came.subject_id, instructions="Say nothing more."))
    return sid, came


async def test_the_person_hears_first_who_it_is_and_then_they_talk(voice: Voice):
    acts = [{"on": "answered", "do": [{"wait": 0.5, "say": "Hello, Priya ji."}, {"wait": 1.0, "hang_up": True}]}]
    await voice.control("PUT", f"/phones/{PERSON}", {"rings_seconds": 0.5, "acts": acts, "deaf": True})
    sid, came = await wants_a_person(voice)
    [ended] = await voice.until(came, Ended, seconds=60)
    assert ended.reason == "transferred"
    [over] = await voice.until(came, TransferOver, seconds=60)
    assert over.outcome == "talked"
    assert over.seconds >= 1
    call = await voice.control("GET", f"/exotel/calls/{sid}/over")
    told = [each["what"] for each in call["moments"]]
    assert f"rings {PERSON}" in told
    assert f"whispers {WHISPER}" in told
    assert any("saathi" in each for each in told), "they have heard that a person comes"
    assert call["problems"] == []
    again = await voice.client.get(
        f"{voice.origin}/api/v1/voice/flow/default/sandbox-voice-secret/next", params={"CallSid": sid}
    )
    assert again.status_code == 302


async def test_whom_nobody_takes_comes_back_to_us_in_the_same_call(voice: Voice):
    await voice.control("PUT", f"/phones/{PERSON}", {"fate": "no-answer", "rings_seconds": 1})
    sid, came = await wants_a_person(voice)
    [over] = await voice.until(came, TransferOver, seconds=60)
    assert over.outcome == "nobody"

    async def back() -> list[Recorded[Any]]:
        facts = await voice.store.read_log(0, 0, 1000)
        return [fact for fact in facts if getattr(fact.event, "returns", None) == came.subject_id]

    [again] = await until(back)
    assert (again.event.caller, again.event.provider_ref) == (PRIYA_PHONE, sid)
    await voice.takes(
        again, opening="Maaf kijiye, abhi koi saathi khaali nahi hai. Woh aapko kab call karein?", returned=True
    )
    await voice.until(again, Answered)
    before = len((await voice.control("GET", f"/exotel/calls/{sid}"))["moments"])

    async def hears_more() -> bool:
        return len((await voice.control("GET", f"/exotel/calls/{sid}"))["moments"]) > before

    await until(hears_more)
    await voice.control("POST", f"/exotel/calls/{sid}/hang-up")
    [ended] = await voice.until(again, Ended, seconds=60)
    assert ended.reason == "contact_hung_up"


def test_what_the_details_say_of_a_transfer_of_which_the_flow_told_nothing():
    talked = (
        b'{"Call":{"Sid":"1","Status":"completed","Details":{"Leg2Status":"completed","ConversationDuration":190}}}'
    )
    assert exotel.read_second_leg(talked) == ("talked", 190)
    assert exotel.read_second_leg(
        b'{"Call":{"Sid":"1","Status":"completed","Details":{"Leg2Status":"no-answer"}}}'
    ) == ("nobody", 0)
    assert exotel.read_second_leg(b'{"Call":{"Sid":"1","Status":"in-progress"}}') is None
