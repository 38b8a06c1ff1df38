"""Another company's bundle in another folder: another process, other rules, providers elsewhere with credentials; the same loop."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
import pytest_asyncio

from events import backend, contact, conversation, followup, message
from libs.kit import http
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer
from libs.kit.embedded_process import free_port
from libs.testkit.nouns import IST
from libs.testkit.servers import database_of
from services.cli.system import BundleRefused, checked_bundle
from services.sandbox import app as sandbox
from services.sandbox.settings import ErpSettings, MetaSettings
from services.sandbox.settings import Settings as SandboxSettings
from tests.journeys.people import Person
from tests.journeys.town import Town, served, settings_of, town_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLINIC = Path(__file__).parent / "clinic"
AT_NIGHT = datetime(2026, 2, 16, 22, 0, tzinfo=IST)
SECRETS = {
    "WHATSAPP_PHONE_ID": "555000111",
    "WHATSAPP_ACCESS_TOKEN": "clinic-token",
    "WHATSAPP_VERIFY_TOKEN": "clinic-verify",
    "WHATSAPP_APP_SECRET": "clinic-app-secret",
    "BACKEND_API_TOKEN": "clinic-backend",
    "CONVERSE_LLM_API_KEY": "clinic-claude",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clinic(
    postgres_url: str, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """The clinic's system, live, with its providers (emulated, and strict about credentials) on another port."""
    folder = tmp_path_factory.mktemp("clinic")
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    urls = sandbox.base_urls(origin)
    environment = SECRETS | {
        "CLINIC_META_URL": urls["whatsapp"],
        "CLINIC_BACKEND_URL": urls["backend"],
        "CLINIC_LLM_URL": urls["llm"],
    }
    async with database_of(postgres_url, migrated_template) as database, NatsServer(folder / "nats") as nats:
        settings = settings_of(folder, database_url=database, nats_url=nats.url, config=CLINIC, environment=environment)
        meta = MetaSettings(
            callback_url=f"http://127.0.0.1:{settings.port}/webhooks/whatsapp",
            app_secret=SECRETS["WHATSAPP_APP_SECRET"],
            access_token=SECRETS["WHATSAPP_ACCESS_TOKEN"],
            phone_id=SECRETS["WHATSAPP_PHONE_ID"],
        )
        providers = SandboxSettings(meta=meta, erp=ErpSettings(token=SECRETS["BACKEND_API_TOKEN"]), people=())
        emulators = sandbox.build(providers, now=Clock.fixed(AT_NIGHT).now)
        async with (
            served([emulators], port),
            http.client(origin) as outside,
            town_of(settings, start_at=AT_NIGHT, outside=outside) as town,
        ):
            yield town


async def test_a_bundle_of_ones_own_runs_the_same_loop_with_providers_elsewhere(clinic: Town):
    asha = await clinic.somebody(consent=False)
    await due(asha)
    await asha.sees(message.Accepted)
    [asked] = await asha.received()
    assert (asked["template"], asked["text"]) == ("ask_visit_v3", f"{asha.name} 11:30")
    await asha.says("Yes, I will come to the appointment")
    await asha.sees(conversation.ProcessMoved, to_state="coming")
    await asha.sees(message.Accepted, times=2)
    assert (await asha.received())[1]["text"] == f"Thank you {asha.name}, see you at 11:30."
    await asha.sees(backend.CallCompleted, endpoint="record_visit")
    [told] = [each for each in await clinic.writes("/outcome") if asha.invoice in each["path"]]
    assert told["body"] == {"visit": "coming"}
    await asha.sees(conversation.Closed, reason="resolved")


async def test_the_bundles_mapping_prices_and_whole_context_count(clinic: Town):
    asha = await clinic.somebody(consent=False)
    await due(asha)
    known = await asha.sees(contact.Registered)
    assert known.event.profile.role == "Acme Corp"
    accepted = await asha.sees(message.Accepted)
    assert (accepted.event.cost.currency, accepted.event.cost.micros) == ("EUR", 40_000)
    [bound] = await asha.facts(conversation.ProcessBound)
    assert bound.event.context["time"] == "11:30"


async def test_the_other_end_of_its_map_is_reached_too(clinic: Town):
    asha = await clinic.somebody(consent=False)
    await due(asha)
    await asha.sees(conversation.ProcessMoved, to_state="asked")
    await asha.says("Sorry, I cannot come, please cancel the appointment")
    await asha.sees(conversation.ProcessMoved, to_state="released")
    await asha.sees(followup.Resolved)
    await asha.sees(message.Accepted, times=2)


async def test_in_development_a_live_channel_writes_to_its_test_recipients_only(clinic: Town):
    asha = await clinic.somebody(consent=False)
    asha.phone = f"+9177{80000000 + asha.number}"
    address = {"channel": "whatsapp", "address": asha.phone}
    await clinic.told("erp/contacts", {"id": asha.id, "name": asha.name, "channels": [address]})
    await due(asha)
    exhausted = await asha.sees(followup.Exhausted)
    assert "test recipients" in str(exhausted.event.skipped)
    assert await asha.received() == []


async def test_its_channel_is_live_and_the_health_says_so(clinic: Town):
    health = (await clinic.client.get("/health")).json()
    assert health["channels"]["whatsapp"] == "live"


async def test_in_production_a_missing_credential_is_an_error_at_start(tmp_path: Path):
    settings = settings_of(tmp_path, database_url=None, nats_url=None, config=CLINIC, profile="production")
    with pytest.raises(BundleRefused) as refused:
        checked_bundle(settings)
    assert any("WHATSAPP_ACCESS_TOKEN" in each.message + each.hint for each in refused.value.findings)


async def due(asha: Person) -> None:
    """The clinic's system says that an appointment is near."""
    data = {"patient": asha.id, "appointment": asha.invoice, "hours_left": 20, "time": "11:30", "contact_id": asha.id}
    await asha.town.event("appointment_due", data)
