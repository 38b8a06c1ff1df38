"""The commands that look into a system and repair it: what they print, and how they say no."""

import asyncio
import base64
import os
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from structlog.testing import capture_logs

from events.base import Cause, Draft
from events.business import EventReceived
from events.conversation import ContactSaid, Opened
from libs.channels import chat_token
from libs.kit import ids
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.nouns import HER_PROMISE, NOON, PRIYA, TENANT
from services.cli.admin import duration
from services.cli.settings import UserError
from services.cli.up import RUNNING
from tests.services.cli.conftest import SHIPPED, Converse, bundle_with, run


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3d", timedelta(days=3)),
        ("12h", timedelta(hours=12)),
        ("30m", timedelta(minutes=30)),
        ("90s", timedelta(seconds=90)),
        ("1d12h", timedelta(days=1, hours=12)),
    ],
)
def test_a_duration_reads_as_people_write_it(text: str, meant: timedelta):
    assert duration(text) == meant


@pytest.mark.parametrize("text", ["", "3", "d", "3 d", "-3d", "3w", "3d!", "1.5h", "three days", "9" * 5000 + "d"])
def test_what_is_no_duration_is_refused_with_examples(text: str):
    with pytest.raises(UserError, match="write 3d, 12h, 30m"):
        duration(text)


@pytest.mark.parametrize("text", ["3651d", "3650d1s", "999999999d", "999999999d" * 10])
def test_a_duration_that_would_lead_out_of_the_calendar_is_refused(text: str):
    assert duration("3650d") == timedelta(days=3650)
    with pytest.raises(UserError, match="at most 3650d"):
        duration(text)


def test_the_shipped_bundle_is_checked_and_good():
    checked = run("config", "check", environment={})
    assert checked.exit_code == 0, checked.output


def broken_bundle(folder: Path) -> Path:
    """The shipped bundle with an operator that nobody knows."""
    return bundle_with(folder, "operator: gte, value: 3", "operator: above, value: 3")


def test_a_bad_bundle_is_refused_with_file_line_path_and_hint(tmp_path: Path):
    checked = run("config", "check", str(broken_bundle(tmp_path)), environment={})
    assert checked.exit_code == 1
    assert re.search(r"rules\.yaml:\d+", checked.output)
    assert "rules[0].conditions" in checked.output
    assert "gte" in checked.output


def test_the_findings_are_json_for_machines(tmp_path: Path):
    checked = run("config", "check", "--json", environment={"CONVERSE_CONFIG": str(broken_bundle(tmp_path))})
    assert checked.exit_code == 1
    finding = next(each for each in msgspec.json.decode(checked.stdout) if each["severity"] == "error")
    assert finding["file"] == "rules.yaml"
    assert finding["path"].startswith("rules[0].conditions")
    assert SHIPPED.joinpath("rules.yaml").read_text().splitlines()[finding["line"] - 1].count("days_overdue") == 1
    assert finding["hint"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path):
    checked = run("config", "check", str(tmp_path / "nowhere"), environment={})
    assert checked.exit_code == 1
    assert checked.output.strip()


async def test_business_time_is_moved_in_development(converse: Converse, clock: Clock):
    before = clock.now()
    moved = await converse("clock", "advance", "1d12h")
    assert moved.exit_code == 0, moved.output
    assert "business time is" in moved.output
    assert timedelta(hours=35) < await now_of(clock) - before < timedelta(hours=37)


async def now_of(clock: Clock) -> datetime:
    """The business now, once the clock has heard of every move."""
    return await clock.advance(timedelta())


async def test_business_time_is_not_moved_elsewhere(converse: Converse, clock: Clock):
    before = clock.now()
    refused = await converse("clock", "advance", "1d", CONVERSE_PROFILE="production")
    assert refused.exit_code == 1
    assert "development profile only" in refused.output
    assert await now_of(clock) - before < timedelta(minutes=1)


async def test_a_slip_of_the_hand_does_not_move_business_time_out_of_the_calendar(converse: Converse, clock: Clock):
    before = clock.now()
    refused = await converse("clock", "advance", "9999999d")
    assert refused.exit_code == 1
    assert "at most 3650d" in refused.output
    assert await now_of(clock) - before < timedelta(minutes=1)


async def test_a_wrong_duration_is_told_without_a_traceback(converse: Converse):
    refused = await converse("clock", "advance", "soon")
    assert refused.exit_code == 1
    assert "'soon' is no duration" in refused.output


async def test_a_key_is_shown_once_and_opens_what_it_names_until_it_is_revoked(converse: Converse, store: Store):
    made = await converse("keys", "create", "erp", "--scope", "events:write", "--scope", "read")
    assert made.exit_code == 0, made.output
    [token] = re.findall(r"cvk_\S+", made.output)
    [key_id] = re.findall(r"key (\S+) for", made.output)
    known = await store.tenants.verify(token)
    assert known is not None
    assert (str(known.id), known.name, known.scopes) == (key_id, "erp", frozenset({"events:write", "read"}))
    assert token.encode() not in await store.pool.fetchval("SELECT hash FROM ops.api_key")

    revoked = await converse("keys", "revoke", key_id)
    assert revoked.exit_code == 0
    [kept] = await store.tenants.keys(TENANT)
    assert kept.revoked_at is not None
    again = await converse("keys", "revoke", key_id)
    assert again.exit_code == 1
    assert "revoked before" in again.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("keys", "create", "erp", "--scope", "everything"), "events:write"),
        (("keys", "create", "erp", "--scope", "read", "--tenant", "nobody"), "no tenant 'nobody'"),
        (("trace", "no-such-id", "--tenant", "nobody"), "no tenant 'nobody'"),
        (("keys", "list", "--tenant", "nobody"), "no tenant 'nobody'"),
        (("keys", "revoke", "not-an-id"), "`converse keys list` shows them"),
        (("dlq", "retry", "7"), "does not exist"),
        (("trace", "nobody"), "no conversation 'nobody'"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
async def test_a_users_mistake_is_told_in_a_sentence(converse: Converse, arguments: tuple[str, ...], words: str):
    refused = await converse(*arguments)
    assert refused.exit_code == 1
    assert words in refused.output


async def test_an_id_that_no_quarantine_can_have_is_told_without_a_traceback(converse: Converse):
    assert (await converse("dlq", "retry", "9" * 20)).exit_code == 2


@pytest.mark.parametrize(("port", "bound"), [("0", "than or equal to 1"), ("65536", "than or equal to 65535")])
@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_port_that_is_none_is_refused_with_those_that_are(tmp_path: Path, command: str, port: str, bound: str):
    refused = run(command, "--port", port, environment={"CONVERSE_DATA": str(tmp_path), "COLUMNS": "120"})
    assert refused.exit_code == 2
    assert f"{bound} " in refused.output


WRONG_SURROUNDINGS = [
    ("CONVERSE_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/x", "PostgreSQL at 127.0.0.1:1/x cannot be reached"),
    ("CONVERSE_DATABASE_URL", "oops", "CONVERSE_DATABASE_URL is no address: write postgresql://"),
    ("CONVERSE_DATABASE_URL", "postgresql://127.0.0.1:notaport/x", "CONVERSE_DATABASE_URL is no address"),
    ("CONVERSE_MASTER_KEY", "AAAA", "CONVERSE_MASTER_KEY is not base64 of 32 bytes"),
    ("CONVERSE_PORT", "abc", "CONVERSE_PORT is 'abc': a port is a number from 1 to 65535"),
    ("CONVERSE_PORT", "70000", "CONVERSE_PORT is '70000'"),
    ("CONVERSE_PROFILE", "producton", "CONVERSE_PROFILE is 'producton': it may be development or production"),
]


@pytest.mark.parametrize(("name", "value", "words"), WRONG_SURROUNDINGS)
async def test_wrong_surroundings_are_told_in_a_sentence_and_not_among_the_output(
    converse: Converse, name: str, value: str, words: str
):
    refused = await converse("keys", "list", "--json", **{name: value})
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "secret" not in refused.stderr


async def test_a_database_that_is_not_ours_is_told_in_a_sentence(converse: Converse, database: str):
    nowhere = await converse("dlq", "list", CONVERSE_DATABASE_URL=with_path(database, "/nowhere"))
    assert 'refuses us: database "nowhere" does not exist' in nowhere.stderr
    empty = await converse("dlq", "list", CONVERSE_DATABASE_URL=with_path(database, "/postgres"))
    assert "`converse up` makes or upgrades its tables" in empty.stderr


def with_path(url: str, path: str) -> str:
    return urlsplit(url)._replace(path=path).geturl()


async def test_another_master_key_is_told_in_a_sentence(converse: Converse, store: Store):
    root = ids.fresh()
    outside = Cause(id=root, correlation_id=root, occurred_at=NOON, source="ingest")
    said = ContactSaid(channel="whatsapp", inbound="inbound-1", text=HER_PROMISE, at=NOON)
    await store.append_any(
        TENANT, "conversation-7", [Draft("conversation-7", said, f"contact-{PRIYA}", PRIYA)], outside
    )
    other = base64.b64encode(b"x" * 32).decode()
    refused = await converse("trace", "7", CONVERSE_MASTER_KEY=other)
    assert refused.exit_code == 1
    assert "CONVERSE_MASTER_KEY is not the one that this database was made with" in refused.stderr


async def test_what_commands_do_is_json_for_machines(converse: Converse, store: Store, clock: Clock):
    before = clock.now()
    advanced = msgspec.json.decode((await converse("clock", "advance", "2h", "--json")).stdout)
    assert datetime.fromisoformat(advanced["business_time"]) - before > timedelta(hours=1)
    made = msgspec.json.decode((await converse("keys", "create", "erp", "--scope", "read", "--json")).stdout)
    known = await store.tenants.verify(made["token"])
    assert known is not None
    assert (str(known.id), made["scopes"]) == (made["id"], ["read"])
    revoked = msgspec.json.decode((await converse("keys", "revoke", made["id"], "--json")).stdout)
    assert revoked == {"id": made["id"], "revoked": True}
    entry = await quarantined(store)
    retried = msgspec.json.decode((await converse("dlq", "retry", str(entry), "--json")).stdout)
    assert retried == {"id": entry, "state": "retry"}


async def test_keys_are_listed_without_their_tokens(converse: Converse, store: Store):
    assert "has no keys: `converse keys create NAME --scope" in (await converse("keys", "list")).output
    key, token = await store.tenants.create_key(TENANT, "erp", ["read", "events:write"])
    await store.tenants.revoke_key(key.id)
    listed = (await converse("keys", "list")).output
    assert all(words in listed for words in (str(key.id), "erp", "events:write, read"))
    [told] = msgspec.json.decode((await converse("keys", "list", "--json")).stdout)
    assert (told["id"], sorted(told["scopes"])) == (str(key.id), ["events:write", "read"])
    assert told["revoked_at"] is not None
    assert token not in listed + str(told)


def test_without_a_system_there_is_nothing_to_look_into(tmp_path: Path):
    refused = run("dlq", "list", environment={"CONVERSE_DATA": str(tmp_path), "CONVERSE_DATABASE_URL": ""})
    assert refused.exit_code == 1
    assert "make up" in refused.output


async def quarantined(store: Store) -> int:
    """A fact that the orchestrator could not take in."""
    entry: int = await store.pool.fetchval(
        "INSERT INTO ops.quarantine (consumer, shard, tenant, target, pos, event_id, type, error, attempts)"
        " VALUES ('orchestrator', 0, $1, 'conversation-1', 7, $2, 'turn.completed.v1', 'ValueError: bad', 3) RETURNING id",
        TENANT,
        ids.fresh(),
    )
    return entry


async def test_quarantine_is_listed_for_people_and_for_machines(converse: Converse, store: Store):
    assert "nothing is in quarantine" in (await converse("dlq", "list")).output
    entry = await quarantined(store)
    listed = await converse("dlq", "list")
    for words in (str(entry), "orchestrator", "turn.completed.v1", "conversation-1", "ValueError: bad"):
        assert words in listed.output
    [told] = msgspec.json.decode((await converse("dlq", "list", "--json")).stdout)
    assert (told["id"], told["target"], told["state"]) == (entry, "conversation-1", "open")


async def test_what_is_retried_is_marked_for_its_consumer(converse: Converse, store: Store):
    entry = await quarantined(store)
    assert (await converse("dlq", "retry", str(entry))).exit_code == 0
    assert await store.pool.fetchval("SELECT state FROM ops.quarantine WHERE id = $1", entry) == "retry"


async def test_a_trace_shows_each_fact_below_its_cause(converse: Converse, store: Store):
    root = ids.fresh()
    outside = Cause(id=root, correlation_id=root, occurred_at=NOON, source="ingest")
    overdue = EventReceived(event_name="invoice_overdue", external_id="1", origin="erp", fingerprint="f", data={})
    await store.append_any(TENANT, "business-1", [Draft("business-1", overdue)], outside)
    [event] = await store.read_stream(TENANT, "business-1")
    because = Cause(id=event.id, correlation_id=root, occurred_at=NOON, source="orchestrator")
    said = ContactSaid(channel="whatsapp", inbound="inbound-1", text=HER_PROMISE, at=NOON)
    drafts = [Draft("conversation-7", fact, f"contact-{PRIYA}", PRIYA) for fact in (Opened(contact_id=PRIYA), said)]
    await store.append_any(TENANT, "conversation-7", drafts, because)

    printed = await converse("trace", "7")
    assert printed.exit_code == 0, printed.output
    lines = printed.output.splitlines()
    [cause] = [line for line in lines if "business.event_received" in line]
    [effect] = [line for line in lines if "conversation.contact_said" in line]
    assert lines.index(cause) < lines.index(effect)
    assert effect.index("conversation.") > cause.index("business.")
    assert HER_PROMISE in effect
    assert re.search(r"\+\d+ ms", effect)

    facts = msgspec.json.decode((await converse("trace", "7", "--json")).stdout)
    assert [fact["type"] for fact in facts] == [
        "business.event_received.v1",
        "conversation.opened.v1",
        "conversation.contact_said.v1",
    ]
    assert {fact["causation_id"] for fact in facts[1:]} == {str(event.id)}


async def test_the_doctor_looks_at_everything_and_says_what_is_well(converse: Converse):
    looked = await converse("doctor", "--json")
    checks = {check["name"]: check for check in msgspec.json.decode(looked.stdout)}
    channels = {"whatsapp", "email", "chat", "sms", "voice"}
    assert (
        checks.keys()
        == {"Python", "configuration", "PostgreSQL", "NATS", "data folder", "master key", "providers"} | channels
    )
    assert all(check["well"] for check in checks.values()), checks
    assert looked.exit_code == 0
    assert all(checks[channel]["found"].startswith("sandbox") for channel in channels)
    assert re.search(r"yours, version \d+\.\d+, \d+ connections for us, \d+ in use", checks["PostgreSQL"]["found"])
    assert "✔ PostgreSQL" in (await converse("doctor")).output


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:1/none", "not an address", "postgresql://127.0.0.1:notaport/x"]
)
async def test_the_doctor_says_what_is_not_well_and_what_to_do(converse: Converse, tmp_path: Path, url: str):
    looked = await converse(
        "doctor", "--json", CONVERSE_DATABASE_URL=url, CONVERSE_CONFIG=str(broken_bundle(tmp_path / "bundle"))
    )
    assert looked.exit_code == 1
    checks = {check["name"]: check for check in msgspec.json.decode(looked.stdout)}
    assert not checks["PostgreSQL"]["well"]
    assert checks["PostgreSQL"]["advice"] == "see CONVERSE_DATABASE_URL"
    assert checks["configuration"]["advice"] == "see `converse config check`"


@pytest.mark.parametrize(
    ("name", "wrong", "check"),
    [("CONVERSE_MASTER_KEY", "short", "master key"), ("CONVERSE_DATA", __file__, "data folder")],
)
async def test_the_doctor_sees_what_no_command_can_work_with(converse: Converse, name: str, wrong: str, check: str):
    looked = await converse("doctor", "--json", **{name: wrong})
    [found] = [each for each in msgspec.json.decode(looked.stdout) if each["name"] == check]
    assert (looked.exit_code, found["well"], name in found["advice"]) == (1, False, True)


async def test_the_doctor_says_why_nats_is_not_well(converse: Converse):
    looked = await converse("doctor", "--json", CONVERSE_NATS_URL="nats://[oops")
    [check] = [check for check in msgspec.json.decode(looked.stdout) if check["name"] == "NATS"]
    assert (check["well"], check["advice"]) == (False, "see CONVERSE_NATS_URL")


async def test_the_doctor_knows_the_version_of_a_nats_of_ones_own(converse: Converse, nats_url: str):
    with capture_logs():
        looked = await converse("doctor", "--json", CONVERSE_NATS_URL=nats_url)
    [check] = [check for check in msgspec.json.decode(looked.stdout) if check["name"] == "NATS"]
    assert check["well"], check
    assert re.fullmatch(r"yours, version 2\.\d+", check["found"])


async def test_what_is_logged_is_not_among_the_output(environment: dict[str, str], nats_url: str):
    command = [sys.executable, "-m", "services.cli", "doctor", "--json"]
    process = await asyncio.create_subprocess_exec(
        *command, env={**environment, "CONVERSE_NATS_URL": nats_url}, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert {check["name"] for check in msgspec.json.decode(told)} >= {"NATS", "PostgreSQL"}


def opened(output: str, secret: str, tenant: str = TENANT) -> chat_token.Entry:
    """Whose chat the printed token opens."""
    token = output.split()[0]
    return chat_token.verify(token, secret, contact="c_123", tenant=tenant, now=Clock().machine())


def test_a_token_of_the_sandboxs_chat_is_printed_with_a_page_to_try_it_on():
    printed = run("chat", "token", "c_123", environment={"CONVERSE_PROFILE": "development"})
    assert printed.exit_code == 0, printed.output
    assert opened(printed.output, chat_token.SANDBOX_SECRET).contact == "c_123"
    assert "/widget?contact=c_123" in printed.output


def test_the_page_to_try_a_token_on_is_that_of_the_running_system(tmp_path: Path):
    told = {"database_url": "postgresql://127.0.0.1:1/x", "port": 8431, "pid": os.getpid()}
    (tmp_path / RUNNING).write_bytes(msgspec.json.encode(told))
    environment = {"CONVERSE_PROFILE": "development", "CONVERSE_DATA": str(tmp_path)}
    assert "http://127.0.0.1:8431/widget?" in run("chat", "token", "c_123", environment=environment).output


def test_a_live_chats_token_is_signed_with_its_own_secret_and_ends_as_asked():
    secret = "a-secret-of-at-least-thirty-two-bytes"
    environment = {"CONVERSE_PROFILE": "development", "CHAT_TOKEN_SECRET": secret}
    printed = run("chat", "token", "c_123", "--lasts", "2h", environment=environment)
    assert printed.exit_code == 0, printed.output
    left = opened(printed.output, secret).expires_at - Clock().machine()
    assert timedelta(minutes=119) < left <= timedelta(hours=2)
