"""Lists as spreadsheets write them: encodings, delimiters, columns, money and dates."""

from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli import cells, columns
from services.cli.cells import Unfit
from services.cli.columns import Columns, Misfit, NoColumn
from services.cli.sheet import Row, Sheet, Unreadable

TABLE = 'Name;Café;Amount\nAsha;Zoë;"1,25,000.00"\n\n;;\nBala;Ben\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_sheet_reads_the_same_in_every_encoding_that_a_spreadsheet_writes(tmp_path: Path, encoding: str):
    (tmp_path / "list.csv").write_bytes(TABLE.replace("\n", "\r\n").encode(encoding))
    sheet = Sheet.of(tmp_path / "list.csv")
    assert (sheet.header, sheet.delimiter) == (("Name", "Café", "Amount"), ";")
    assert list(sheet.rows()) == [Row(2, ("Asha", "Zoë", "1,25,000.00")), Row(5, ("Bala", "Ben", ""))]


@pytest.mark.parametrize(
    "text",
    [
        'Name,Amount\nAsha,"1,25,000.00"\n',
        'sep=;\nName;Amount\nAsha;"1,25,000.00"\n',
        "Name\tAmount\nAsha\t1,25,000.00\n",
        "Name;Amount;\nAsha;1,25,000.00;\n",
    ],
)
def test_the_delimiter_is_that_of_the_first_row_whatever_the_amounts_hold(tmp_path: Path, text: str):
    (tmp_path / "list.csv").write_text(text)
    [row] = Sheet.of(tmp_path / "list.csv").rows()
    assert row.values == ("Asha", "1,25,000.00")
    assert text.splitlines()[row.line - 1].startswith("Asha")


def test_a_row_over_several_lines_counts_from_its_first(tmp_path: Path):
    (tmp_path / "list.csv").write_text('Name,Note\n"Asha\nVerma",x\nBala,y,z\n')
    first, second = Sheet.of(tmp_path / "list.csv").rows()
    assert (first.line, second.line) == (2, 4)
    assert "3 values for 2 columns" in (second.wrong or "")


@pytest.mark.parametrize(("text", "told"), [("", "first row"), ("Name,name\nAsha,x\n", "'name' stands there twice")])
def test_a_file_that_is_no_list_says_what_would_be_right(tmp_path: Path, text: str, told: str):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(Unreadable, match=told):
        Sheet.of(tmp_path / "list.csv")


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("52400", 5240000),
        ("1,25,000.00", 12500000),
        ("₹ 1,25,000", 12500000),
        ("Rs. 500/-", 50000),
        ("1,250,000.5", 125000050),
        ("INR 12,34,56,789.10", 12345678910),
        ("0.05", 5),
    ],
)
def test_money_is_read_in_minor_units(text: str, minor: int):
    assert cells.minor_units(text) == minor


@pytest.mark.parametrize("text", ["12,50", "1.250", "1.25.000", "-500", "(500)", "many", "1,2,3", "5 lakh", "", "1e5"])
def test_money_that_may_mean_two_things_is_refused(text: str):
    with pytest.raises(Unfit):
        cells.minor_units(text)


@pytest.mark.parametrize(
    "text",
    ["2026-01-30", "30/01/2026", "30-01-2026", "30.01.2026", "30-Jan-26", "30 January 2026", "2026-01-30 00:00:00"],
)
def test_a_date_is_iso_or_has_its_day_first(text: str):
    assert cells.day(text).isoformat() == "2026-01-30"


@pytest.mark.parametrize("text", ["01/30/2026", "30/01", "soon", "32/01/2026", "45687"])
def test_a_date_that_is_none_is_refused(text: str):
    with pytest.raises(Unfit):
        cells.day(text)


def test_columns_are_found_by_their_names_and_by_what_the_user_says():
    found = columns.of_contacts(["Party Name", "Mobile No.", "Colour", "GSTIN"], ["GSTIN=metadata.gstin"])
    assert {name: each.header for name, each in found.by_field.items()} == {
        "metadata.gstin": "GSTIN",
        "name": "Party Name",
        "phone": "Mobile No.",
    }
    assert found.unused == ("Colour",)
    item = columns.contact(Row(2, ("Asha", "98220 11111", "red", "27AA")), found)
    assert item.body["metadata"] == {"gstin": "27AA"}
    assert [each["channel"] for each in item.body["channels"]] == ["whatsapp", "sms", "voice"]


def test_every_column_of_a_follow_up_is_data_of_the_type_that_its_name_says():
    found = columns.of_followups(["Customer code", "Bill amt", "Due on", "Delay days"], ["Bill amt=amount"])
    item = columns.followup(Row(2, ("K-1", "1,25,000.50", "30/01/2026", "3")), found)
    assert item.body == {
        "contact_id": "K-1",
        "data": {"amount": 125000.5, "due_date": "2026-01-30", "delay_days": 3},
    }
    with pytest.raises(Misfit) as misfit:
        columns.followup(Row(2, ("K-1", "a lot", "then", "3")), found)
    assert [column for column, _ in misfit.value.wrong] == ["Bill amt", "Due on"]


@pytest.mark.parametrize(
    ("make", "header", "told", "message"),
    [
        (columns.of_contacts, ["Mobile"], [], "contact's name"),
        (columns.of_contacts, ["Name", "Town"], [], "phone or mail"),
        (columns.of_contacts, ["Name", "Mobile"], ["Mobil=phone"], "there is no column 'Mobil'"),
        (columns.of_contacts, ["Name", "Mobile"], ["Name=nickname"], "metadata.NAME"),
        (columns.of_followups, ["Invoice"], [], "whose matter"),
        (columns.of_followups, ["Invoice", "Mobile"], ["Invoice=invoice_number:word"], "text, money, date, number"),
    ],
)
def test_columns_that_do_not_say_enough_are_refused_with_what_would(
    make: Callable[[list[str], list[str]], Columns], header: list[str], told: list[str], message: str
):
    with pytest.raises(NoColumn, match=message):
        make(header, told)
