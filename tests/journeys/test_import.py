"""A company whose systems send no events yet imports two lists: what would happen is shown, then everybody is contacted once."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from events import contact, followup
from events.base import Recorded
from events.conversation import MessageRequested
from services.cli import imports
from services.cli.imports import Report
from services.cli.settings import REPOSITORY
from tests.journeys.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAMPLES = REPOSITORY / "docs" / "samples"


async def imported(town: Town, kind: str, file: Path, *, write: bool = True) -> Report:
    """`converse … import …` as the command line does it."""
    sheet = imports.opened(file)
    wanted = (
        imports.contacts(sheet, []) if kind == "contacts" else imports.followups(sheet, [], "payment_collection", None)
    )
    return await imports.imported(town.settings, sheet, wanted, dry_run=not write)


def counts(told: Report) -> list[int]:
    return [told.counts[each] for each in ("new", "changed", "unchanged", "refused")]


def named(name: str, body: dict[str, Any]) -> bool:
    return bool(body["name"] == name)


def kept(told: Report) -> list[str]:
    """The first cells of the file of refused rows, which nobody else may read."""
    file = Path(told.refused_file or "")
    assert file.stat().st_mode & 0o077 == 0
    return [line.split(";")[0] for line in file.read_text("utf-8-sig").splitlines()]


def opened(fact: Recorded[Any]) -> bool:
    return isinstance(fact.event, followup.Opened) and fact.event.contact_id.startswith("K-1")


async def test_the_sample_lists_are_imported_and_each_is_contacted_once(town: Town, tmp_path: Path):
    people, matters = SAMPLES / "contacts.csv", SAMPLES / "followups.csv"

    shown = await imported(town, "contacts", people, write=False)
    assert counts(shown) == [3, 0, 0, 0]
    assert not [fact for fact in await town.log.now() if fact.stream.startswith("operator-contact-K-1")]

    assert counts(await imported(town, "contacts", people)) == [3, 0, 0, 0]
    known = await town.log.wait(
        lambda fact: isinstance(fact.event, contact.Registered) and fact.event.contact_id.startswith("K-1"), times=3
    )
    asha = next(fact.event.profile for fact in known if fact.event.contact_id == "K-1001")
    assert {each.channel: each.address for each in asha.channels} == {
        "whatsapp": "+919822011111",
        "sms": "+919822011111",
        "voice": "+919822011111",
        "email": "asha@verma.example.com",
    }
    assert counts(await imported(town, "contacts", people)) == [0, 0, 3, 0]

    assert counts(await imported(town, "followups", matters, write=False)) == [3, 0, 0, 0]
    assert counts(await imported(town, "followups", matters)) == [3, 0, 0, 0]
    begun = {fact.event.contact_id: fact.event for fact in await town.log.wait(opened, times=3)}
    assert begun["K-1001"].business_context == {
        "invoice_number": "INV-7001",
        "amount": 125000,
        "currency": "INR",
        "due_date": "2026-01-30",
        "days_overdue": 17,
    }
    assert begun["K-1003"].business_context["amount"] == 9999.5
    await town.log.wait(
        lambda fact: isinstance(fact.event, MessageRequested) and fact.envelope.subject in ("K-1001", "K-1002"), times=2
    )

    # The same list once more, in another order and dress, and the event that the ERP sends one day.
    again = tmp_path / "again.csv"
    rows = matters.read_text().splitlines()
    again.write_bytes("\r\n".join([rows[0], *reversed(rows[1:])]).encode("utf-16"))
    assert counts(await imported(town, "followups", again)) == [0, 0, 3, 0]
    late = {**begun["K-1001"].business_context, "contact_id": "K-1001"}
    await town.event("invoice_overdue", late)
    await town.log.wait(lambda fact: isinstance(fact.event, followup.Declined) and fact.event.contact_id == "K-1001")
    assert len([fact for fact in await town.log.now() if opened(fact)]) == 3


async def test_what_cannot_be_meant_is_refused_with_its_place_and_the_rest_goes_on(town: Town, tmp_path: Path):
    people = tmp_path / "people.csv"
    people.write_bytes(
        "Name;Mobile;Firm;Opt-in date\n"
        "René Dubois;98220 44444;Société Dubois;\n"
        "Nobody;12;Nowhere;\n"
        "René again;+91 98220 44444;;\n"
        "Too; many;columns;;here\n"
        "Early;98220 55555;;31/12/2099\n".encode("cp1252")
    )
    told = await imported(town, "contacts", people)
    assert (told.encoding, told.delimiter, counts(told)) == ("cp1252", ";", [1, 0, 0, 4])
    assert [(each.line, each.column) for each in told.refused] == [
        (3, "Mobile"),
        (4, None),
        (5, None),
        (6, "Opt-in date"),
    ], "each once, in the order of the file"
    assert "write +919876543210" in next(each.message for each in told.refused if each.line == 3)
    assert kept(told) == ["Name", "Nobody", "René again", "Too", "Early"]

    matters = tmp_path / "matters.csv"
    matters.write_text(
        "Mobile,Invoice,Amount,Due date,Days overdue\n"
        '09822044444,INV-8001,"12,50,000.00",30/01/2026,3\n'
        "09822044444,INV-8002,many,31/13/2026,3\n"
        "09822044444,,100,30/01/2026,3\n"
        "09822044444,INV-8001,200,30/01/2026,3\n"
    )
    told = await imported(town, "followups", matters)
    assert counts(told) == [1, 0, 0, 3]
    assert {(each.line, each.column) for each in told.refused} == {
        (3, "Amount"),
        (3, "Due date"),
        (4, None),
        (5, None),
    }
    assert any("invoice_number is missing" in each.message for each in told.refused)
    matters.write_text("Mobile,Invoice,Amount,Due date,Days overdue\n09822044444,INV-8001,99,30/01/2026,3\n")
    told = await imported(town, "followups", matters)
    assert "is open with other data" in told.refused[0].message


async def test_a_contact_that_changed_is_changed_and_changed_back(town: Town, tmp_path: Path):
    people = tmp_path / "people.csv"
    for name, expected in (("Dev", "new"), ("Dev Rao", "changed"), ("Dev", "changed"), ("Dev", "unchanged")):
        people.write_text(f"Contact ID,Name,Email\nK-2001,{name},dev@rao.example.com\n")
        told = await imported(town, "contacts", people)
        assert told.counts[expected] == 1, (name, told)
        await town.shows("/api/v1/contacts/K-2001", partial(named, name))
