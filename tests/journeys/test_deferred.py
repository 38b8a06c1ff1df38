"""What was deferred at night goes out in the first allowed minute, once, though everything is started again meanwhile."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from events import conversation, followup, message
from libs.kit import http
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer
from libs.kit.embedded_process import free_port
from libs.testkit.nouns import IST
from libs.testkit.servers import database_of
from services.cli.settings import SHIPPED_BUNDLE
from services.sandbox import app as sandbox
from services.sandbox.settings import ErpSettings, MetaSettings
from services.sandbox.settings import Settings as SandboxSettings
from tests.journeys.people import Person
from tests.journeys.town import Town, served, settings_of, town_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATE = datetime(2026, 2, 16, 20, 30, tzinfo=IST)
EIGHT = datetime(2026, 2, 17, 8, 0, tzinfo=IST)
SECRETS = {
    "WHATSAPP_PHONE_ID": "555000222",
    "WHATSAPP_ACCESS_TOKEN": "night-token",
    "WHATSAPP_VERIFY_TOKEN": "night-verify",
    "WHATSAPP_APP_SECRET": "night-app-secret",
    "BACKEND_API_TOKEN": "night-backend",
    "CONVERSE_LLM_API_KEY": "night-claude",
}
ELSEWHERE = {
    "  type: rest\n": '  type: rest\n  base_url: "${NIGHT_BACKEND_URL}"\n',
    "llm:\n": 'llm:\n  base_url: "${NIGHT_LLM_URL}"\n',
    "    provider: meta\n": '    provider: meta\n    base_url: "${NIGHT_META_URL}"\n',
}
"""The shipped settings with providers that outlive the system."""


@asynccontextmanager
async def providers(settings_port: int, port: int) -> AsyncIterator[None]:
    """Meta, the ERP and Claude, emulated on a port of their own: they stay while the system is stopped."""
    meta = MetaSettings(
        callback_url=f"http://127.0.0.1:{settings_port}/webhooks/whatsapp",
        app_secret=SECRETS["WHATSAPP_APP_SECRET"],
        access_token=SECRETS["WHATSAPP_ACCESS_TOKEN"],
        phone_id=SECRETS["WHATSAPP_PHONE_ID"],
    )
    described = SandboxSettings(meta=meta, erp=ErpSettings(token=SECRETS["BACKEND_API_TOKEN"]), people=())
    async with served([sandbox.build(described, now=Clock.fixed(LATE).now)], port):
        yield


def elsewhere(folder: Path) -> Path:
    """The shipped bundle, in a folder of its own, with its providers elsewhere."""
    shutil.copytree(SHIPPED_BUNDLE, folder)
    settings = (folder / "settings.yaml").read_text()
    for old, new in ELSEWHERE.items():
        assert old in settings
        settings = settings.replace(old, new, 1)
    (folder / "settings.yaml").write_text(settings)
    return folder


async def newcomer(town: Town, number: int) -> Person:
    """Somebody of this number: a town that was started again counts from one."""
    while True:
        person = await town.somebody()
        if person.number == number:
            return person


async def test_a_reminder_of_the_evening_goes_out_at_eight_and_once_whoever_is_started_again(
    postgres_url: str, migrated_template: str, tmp_path: Path
):
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    urls = sandbox.base_urls(origin)
    environment = SECRETS | {
        "NIGHT_META_URL": urls["whatsapp"],
        "NIGHT_BACKEND_URL": urls["backend"],
        "NIGHT_LLM_URL": urls["llm"],
    }
    async with database_of(postgres_url, migrated_template) as database, NatsServer(tmp_path / "nats") as nats:
        settings = settings_of(
            tmp_path,
            database_url=database,
            nats_url=nats.url,
            config=elsewhere(tmp_path / "bundle"),
            environment=environment,
        )
        async with providers(settings.port, port), http.client(origin) as outside:
            async with town_of(settings, start_at=LATE, outside=outside) as town:
                asha = await town.somebody()
                await asha.owes()
                deferred = await asha.sees(followup.Deferred)
                assert deferred.event.until == EIGHT
                assert await asha.received() == []

            async with town_of(settings, start_at=None, outside=outside) as town:
                asha = Person(town, asha.number)
                await town.clock.set(EIGHT - timedelta(minutes=5))
                ravi = await newcomer(town, asha.number + 1)
                await ravi.owes()  # the services are awake: they defer another one in these minutes
                await ravi.sees(followup.Deferred)
                assert await asha.facts(conversation.MessageRequested) == []
                await town.clock.set(EIGHT)
                asked = await asha.sees(conversation.MessageRequested)
                assert asked.envelope.occurred_at.astimezone(IST).replace(second=0, microsecond=0) == EIGHT

            async with town_of(settings, start_at=None, outside=outside) as town:  # stopped while it may be on its way
                asha = Person(town, asha.number)
                await asha.sees(message.Accepted)
                await town.clock.set(EIGHT + timedelta(minutes=30))
                meera = await newcomer(town, asha.number + 2)
                await meera.owes()  # what comes later is done: so whatever was due before is done, too
                await meera.sees(message.Accepted)
                assert len(await asha.received()) == 1
                for kind in (
                    followup.Deferred,
                    followup.AttemptStarted,
                    conversation.MessageRequested,
                    message.Accepted,
                ):
                    assert len(await asha.facts(kind)) == 1
