"""A flow of the provider's between it and us: it asks where a call's media go, and people may call us."""

from voice_world import Voice, published, until

from events.call import CameIn, Ended, TurnTaken
from libs.channels import exotel
from libs.testkit.nouns import PRIYA, PRIYA_PHONE, TENANT

TALKS_ON = [{"on": "heard", "once": False, "do": [{"wait": 1.0, "say": "Haan ji, main sun rahi hoon."}]}]


def test_with_a_flow_the_call_goes_through_it_and_our_id_comes_back():
    given = {
        "account_sid": "acme1",
        "call": "7",
        "to": PRIYA_PHONE,
        "caller_id": "0804",
        "callback": "https://x.example",
    }
    request = exotel.write(stream_url="wss://x.example/m", flow="4711", **given)
    assert isinstance(request, exotel.Request)
    assert request.form["Url"] == "http://my.exotel.com/acme1/exoml/start_voice/4711"
    assert request.form["CustomField"] == "7"
    assert not {"StreamUrl", "StreamType"} & set(request.form)


async def test_the_applet_is_led_to_the_process_that_dialled(voice: Voice, secret: str):
    await published(voice.store, voice.clock, credentials="{telephony_flow_id: '4711'}")
    await voice.control("PUT", "/exotel/flow", {"url": f"{voice.origin}/api/v1/voice/flow/{TENANT}/{secret}"})
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 0.5, "acts": TALKS_ON, "deaf": True})
    intent = await voice.call()

    async def dialled() -> list[dict[str, object]]:
        return await voice.placed()

    [placed] = await until(dialled)
    assert str(placed["flow"]).endswith("/4711")
    asked = {"CallSid": placed["sid"], "Direction": "outbound-dial", "CustomField": str(intent.id)}
    path = f"{voice.origin}/api/v1/voice/flow/{TENANT}"
    told = (await voice.client.get(f"{path}/{secret}", params=asked)).json()
    [worker] = await voice.store.pool.fetch("SELECT name FROM voice.worker")
    origin = voice.origin.replace("http", "ws", 1)
    assert told == {"url": f"{origin}/api/v1/voice/media/{worker['name']}/{TENANT}/{secret}?call={intent.id}"}
    assert (await voice.client.get(f"{path}/{secret}", params={"CallSid": "strange"})).status_code == 404
    assert (await voice.client.get(f"{path}/{secret}")).status_code == 400
    assert (await voice.client.get(f"{path}/wrong", params=asked)).status_code == 401
    await voice.held(intent)
    await voice.control("POST", f"/exotel/calls/{placed['sid']}/hang-up")
    [ended] = await voice.until(intent, Ended)
    assert ended.reason == "contact_hung_up", "they were connected"


async def test_who_calls_back_is_a_fact_that_names_the_conversation(voice: Voice, secret: str):
    await voice.control("PUT", "/exotel/flow", {"url": f"{voice.origin}/api/v1/voice/flow/{TENANT}/{secret}"})
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"fate": "busy", "rings_seconds": 0.1})
    intent = await voice.call()
    await voice.until(intent, Ended)
    for caller in (PRIYA_PHONE, "+919811111111"):
        await voice.control("POST", f"/phones/{caller}/call")

    async def came_in() -> list[CameIn]:
        facts = await voice.store.read_log(0, 0, 1000)
        found = [fact for fact in facts if isinstance(fact.event, CameIn)]
        return found if len(found) == 2 else []

    facts = {fact.event.caller: fact for fact in await until(came_in)}
    back, stranger = facts[PRIYA_PHONE], facts["+919811111111"]
    assert (back.event.back, back.event.conversation) == (str(intent.id), intent.subject_id)
    assert back.envelope.subject == PRIYA
    assert (stranger.event.back, stranger.event.conversation, stranger.envelope.subject) == (None, None, None)
    assert back.event.digest != stranger.event.digest
    assert await voice.told(intent, TurnTaken) == []
