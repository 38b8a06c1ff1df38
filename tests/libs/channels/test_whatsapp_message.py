"""What is said on WhatsApp is written as Meta takes it, and what Meta would refuse is refused with what is wrong."""

from dataclasses import replace
from typing import Any

import pytest

from libs.channels.outcome import Refused
from libs.channels.whatsapp_message import (
    ChoiceMessage,
    File,
    FileMessage,
    Message,
    Option,
    QuickReply,
    TemplateMessage,
    UrlSuffix,
    content,
    file_kind,
)

DAYS = (Option("ptp:today", "Aaj"), Option("ptp:friday", "Friday"))
QUESTION = ChoiceMessage("Kab payment karenge?", DAYS)
RECEIPT = File("document", id="100", filename="INV-1042.pdf")


def written(message: Message) -> dict[str, Any]:
    told = content(message)
    assert not isinstance(told, Refused), told
    return told


def refused(message: Message) -> str:
    told = content(message)
    assert isinstance(told, Refused)
    assert told.scope == "message"
    return told.reason


def test_up_to_three_options_are_buttons():
    assert written(replace(QUESTION, footer="Acme Traders")) == {
        "type": "interactive",
        "interactive": {
            "type": "button",
            "body": {"text": "Kab payment karenge?"},
            "footer": {"text": "Acme Traders"},
            "action": {
                "buttons": [
                    {"type": "reply", "reply": {"id": "ptp:today", "title": "Aaj"}},
                    {"type": "reply", "reply": {"id": "ptp:friday", "title": "Friday"}},
                ]
            },
        },
    }


def test_more_options_are_a_list():
    invoices = tuple(Option(f"inv:{n}", f"INV-{n}") for n in range(4))
    told = written(ChoiceMessage("Select one", invoices, header="Invoices", button="Choose"))["interactive"]
    assert told["type"] == "list"
    assert told["header"] == {"type": "text", "text": "Invoices"}
    assert told["action"]["button"] == "Choose"
    assert told["action"]["sections"] == [{"rows": [{"id": f"inv:{n}", "title": f"INV-{n}"} for n in range(4)]}]


def test_a_described_option_makes_it_a_list():
    told = written(ChoiceMessage("Select one", (Option("a", "INV-1042", "₹12,500 due 20 Nov"),)))
    assert told["interactive"]["action"]["sections"][0]["rows"][0]["description"] == "₹12,500 due 20 Nov"


def test_a_question_may_stand_under_a_file():
    told = written(replace(QUESTION, header=RECEIPT))["interactive"]
    assert told["header"] == {"type": "document", "document": {"id": "100", "filename": "INV-1042.pdf"}}


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (replace(QUESTION, body="x" * 1025), "the question has 1025 characters; at most 1024"),
        (replace(QUESTION, body=" "), "the question is empty"),
        (replace(QUESTION, options=()), "nothing to choose from"),
        (replace(QUESTION, options=tuple(Option(str(n), str(n)) for n in range(11))), "11 choices; at most 10"),
        (replace(QUESTION, options=(Option("a", "x" * 21),)), "the title of choice 1 has 21 characters; at most 20"),
        (
            replace(QUESTION, options=(Option("a", "x" * 25, "d"),)),
            "the title of choice 1 has 25 characters; at most 24",
        ),
        (replace(QUESTION, options=(Option("a", "x", "d" * 73),)), "the description of choice 1 has 73"),
        (replace(QUESTION, options=(Option("i" * 257, "x"),)), "the id of choice 1 has 257"),
        (replace(QUESTION, options=(Option("", "x"),)), "the id of choice 1 is empty"),
        (replace(QUESTION, options=(Option("a", "Yes"), Option("a", "No"))), "two choices have the same id"),
        (replace(QUESTION, options=(Option("a", "Yes"), Option("b", "Yes"))), "two choices have the same title"),
        (replace(QUESTION, footer="x" * 61), "the footer has 61"),
        (replace(QUESTION, header="x" * 61), "the header has 61"),
        (replace(QUESTION, header=File("audio", id="1")), "a question takes no audio above it"),
        (ChoiceMessage("?", (Option("a", "x", "d"),), header=RECEIPT), "a list takes no document above it"),
        (ChoiceMessage("?", (Option("a", "x", "d"),), button="x" * 21), "the list's button has 21"),
    ],
)
def test_a_question_that_meta_would_refuse_is_refused(message: ChoiceMessage, says: str):
    assert says in refused(message)


def test_the_longest_of_everything_is_taken():
    rows = tuple(Option(f"{n}".rjust(200, "i"), f"{n}".rjust(24, "t"), "d" * 72) for n in range(10))
    assert written(ChoiceMessage("q" * 1024, rows, header="h" * 60, footer="f" * 60, button="b" * 20))
    assert written(ChoiceMessage("q", tuple(Option(f"{n}".rjust(256), f"{n}".rjust(20, "t")) for n in range(3))))


@pytest.mark.parametrize(
    ("file", "caption", "about"),
    [
        (File("image", id="7"), "receipt", {"id": "7", "caption": "receipt"}),
        (File("image", link="https://x.example/a.png"), None, {"link": "https://x.example/a.png"}),
        (RECEIPT, "Your invoice", {"id": "100", "filename": "INV-1042.pdf", "caption": "Your invoice"}),
        (File("audio", id="7", voice=True), None, {"id": "7", "voice": True}),
        (File("video", id="7"), None, {"id": "7"}),
    ],
)
def test_a_file_goes_by_its_upload_or_by_a_link(file: File, caption: str | None, about: dict[str, Any]):
    assert written(FileMessage(file, caption)) == {"type": file.kind, file.kind: about}


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (FileMessage(File("image")), "needs the id of an upload, or a link"),
        (FileMessage(File("image", id="1", link="https://x")), "needs the id of an upload, or a link"),
        (FileMessage(File("audio", id="1"), "listen"), "audio takes no caption"),
        (FileMessage(File("image", id="1"), "x" * 1025), "the caption has 1025"),
        (TemplateMessage("t", "en", header=" "), "the header of template t is empty"),
        (TemplateMessage("t", "en", header=File("document")), "needs the id of an upload, or a link"),
        (TemplateMessage("t", "en", buttons=(QuickReply(0, " "),)), "button 0 of template t says nothing"),
        (TemplateMessage("t", "en", buttons=(UrlSuffix(1, ""),)), "button 1 of template t says nothing"),
    ],
)
def test_a_file_or_template_that_meta_would_refuse_is_refused(message: Message, says: str):
    assert says in refused(message)


def test_a_template_may_stand_under_a_file():
    told = written(TemplateMessage("t", "en", header=RECEIPT))["template"]
    document = {"id": "100", "filename": "INV-1042.pdf"}
    assert told["components"] == [{"type": "header", "parameters": [{"type": "document", "document": document}]}]


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("image/jpeg", "image"),
        ("IMAGE/PNG", "image"),
        ("image/webp", "sticker"),
        ("image/heic", "document"),
        ("video/mp4", "video"),
        ("audio/ogg; codecs=opus", "audio"),
        ("audio/wav", "document"),
        ("application/pdf", "document"),
    ],
)
def test_a_type_that_meta_does_not_show_goes_as_a_document(media_type: str, kind: str):
    assert file_kind(media_type) == kind
