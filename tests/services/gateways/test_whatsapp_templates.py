"""What the bundle sends is kept in step with what Meta has registered; what Meta would refuse is not sent."""

from typing import Any

import httpx
import pytest

from events.message import Rejected
from services.gateways.settings import Settings
from services.gateways.whatsapp import templates as whatsapp_templates
from services.gateways.whatsapp.door import sandbox_door
from services.gateways.whatsapp.templates import Finding, findings
from services.sandbox.app import base_urls
from tests.libs.kit.effects_world import until
from tests.services.gateways.conftest import Gateways, bundle_of

NAME = "payment_reminder_v1"
REGISTERED = {"name": NAME, "language": "en", "body": "Invoice {{invoice_number}} is open."}
OFF = "channels: {whatsapp: {enabled: false, provider: meta}}\n"
LIVE = """channels:
  whatsapp:
    enabled: true
    provider: meta
    base_url: "%s"
    credentials: {phone_id: "${ID}", access_token: "${T}", verify_token: "${V}", app_secret: "${S}"%s}
"""
ENVIRONMENT = {"ID": "106540352242922", "T": "t", "V": "v", "S": "s", "BUSINESS": "102290129340398"}


async def registered(gateways: Gateways, *templates: dict[str, Any]) -> None:
    """Meta has these, and the bundle is published anew, which makes the gateways look."""
    await gateways.control("PUT", "/meta/templates", list(templates))
    await gateways.publish(bundle_of(settings=OFF))
    await gateways.publish(bundle_of())
    wanted = {(each["name"], each["language"], each.get("status", "APPROVED")) for each in templates}

    async def known() -> bool:
        return await rows(gateways) == wanted

    await until(known)


async def rows(gateways: Gateways) -> set[tuple[str, str, str]]:
    found = await gateways.store.pool.fetch("SELECT name, language, status FROM gateways.whatsapp_template")
    return {(row["name"], row["language"], row["status"]) for row in found}


async def trouble(gateways: Gateways) -> str:
    """What the channel's health says, once it says something."""

    async def told() -> str | None:
        query = "SELECT degraded FROM gateways.account WHERE account = 'whatsapp'"
        why: str | None = await gateways.store.pool.fetchval(query)
        return why

    return str(await until(told))


async def happens(gateways: Gateways, event: str) -> None:
    await gateways.control("POST", "/meta/templates/events", {"name": NAME, "event": event})


async def test_a_template_that_is_registered_as_it_is_sent_goes_out(gateways: Gateways):
    await registered(gateways, REGISTERED, *({**REGISTERED, "name": f"other_{n}"} for n in range(120)))
    assert (await gateways.until(await gateways.say(), "accepted"))[0] == "accepted"


async def test_a_template_that_is_not_registered_is_refused_without_a_call(gateways: Gateways):
    await registered(gateways, {**REGISTERED, "language": "en_US"})
    assert "is registered in en_US, not in en" in await trouble(gateways)
    before = await gateways.control("GET", "/meta/messages")
    intent = await gateways.say()
    await gateways.until(intent, "rejected")
    [fact] = await gateways.told(intent)
    assert isinstance(fact.event, Rejected)
    assert (fact.event.code, fact.event.scope) == ("132001", "message")
    assert "not registered with Meta in en" in fact.event.reason
    assert await gateways.control("GET", "/meta/messages") == before == []


async def test_a_paused_template_is_refused_until_it_is_reinstated(gateways: Gateways):
    await registered(gateways, REGISTERED)
    await happens(gateways, "PAUSED")
    assert "is paused by Meta" in await trouble(gateways)
    intent = await gateways.say()
    await gateways.until(intent, "rejected")
    [fact] = await gateways.told(intent)
    assert isinstance(fact.event, Rejected)
    assert fact.event.code == "132015"
    await happens(gateways, "REINSTATED")

    async def well() -> bool:
        query = "SELECT degraded IS NULL FROM gateways.account WHERE account = 'whatsapp'"
        return bool(await gateways.store.pool.fetchval(query))

    await until(well)
    assert (await gateways.until(await gateways.say(), "accepted"))[0] == "accepted"


async def test_other_parameters_are_told_in_health_and_metrics(gateways: Gateways):
    await registered(gateways, {**REGISTERED, "body": "{{invoice_number}} of {{amount}} is open."})
    assert "sends the parameters invoice_number; Meta has invoice_number, amount" in await trouble(gateways)
    ready = (await gateways.client.get(f"{gateways.origin}/health/ready")).json()
    assert "amount" in ready["checks"]["gateways"]["whatsapp templates of default"]
    assert ready["status"] == "ok"
    metrics = (await gateways.client.get(f"{gateways.origin}/metrics")).text
    assert 'converse_whatsapp_templates_differ{tenant="default"} 1.0' in metrics


async def test_where_meta_does_not_list_nothing_is_held_up(gateways: Gateways):
    await registered(gateways, REGISTERED)
    await gateways.goes_wrong(on="templates", refuse=80007, times=100)
    await gateways.publish(bundle_of(settings=OFF))
    await gateways.publish(bundle_of())
    assert "does not list the templates" in await trouble(gateways)
    assert (await gateways.until(await gateways.say(), "accepted"))[0] == "accepted"


async def test_a_template_that_was_registered_meanwhile_is_found(gateways: Gateways, monkeypatch: pytest.MonkeyPatch):
    await registered(gateways, {**REGISTERED, "name": "other"})
    monkeypatch.setattr(whatsapp_templates, "AGAIN_S", 0.0)
    await gateways.control("PUT", "/meta/templates", [REGISTERED])
    await gateways.until(await gateways.say())  # rejected, unless the list was asked for again before

    async def known() -> bool:
        return await rows(gateways) == {(NAME, "en", "APPROVED")}

    await until(known)


async def test_an_emulator_that_takes_any_template_differs_in_nothing(gateways: Gateways):
    assert (await gateways.until(await gateways.say(), "accepted"))[0] == "accepted"
    assert await rows(gateways) == set()


async def doctor(gateways: Gateways, *, business: bool = True, **environment: str) -> list[Finding]:
    url = base_urls(gateways.sandbox)["whatsapp"]
    live = bundle_of(settings=LIVE % (url, ', business_account_id: "${BUSINESS}"' if business else ""))
    settings = Settings(environment=ENVIRONMENT | environment)
    async with httpx.AsyncClient() as client:
        return await findings(live, settings, client)


async def test_the_doctor_compares_without_sending_anything(gateways: Gateways):
    await gateways.control("PUT", "/meta/templates", [{**REGISTERED, "status": "DISABLED"}])
    assert await doctor(gateways) == [
        Finding("status", f"the template {NAME} (en) is disabled by Meta: register another one")
    ]
    await gateways.control("PUT", "/meta/templates", [REGISTERED])
    assert await doctor(gateways) == []
    assert await gateways.sent() == []


@pytest.mark.parametrize(
    ("changes", "trouble"), [({"business": False}, "not_compared"), ({"BUSINESS": "1"}, "not_listed")]
)
async def test_the_doctor_says_where_it_cannot_compare(gateways: Gateways, changes: dict[str, Any], trouble: str):
    [finding] = await doctor(gateways, **changes)
    assert finding.trouble == trouble


async def test_the_doctor_has_nothing_to_say_of_a_channel_that_is_off():
    async with httpx.AsyncClient() as client:
        assert await findings(bundle_of(settings=OFF), Settings(), client) == []
        assert await findings(bundle_of(), Settings(), client) == []


def test_the_door_of_the_emulator_knows_its_business_account():
    assert sandbox_door("").business_id == ENVIRONMENT["BUSINESS"]
