"""What a conversation wants said becomes what Meta takes, or is refused with what is wrong."""

from typing import Any

import pytest

from events.refs import ref_of
from events.values import Attachment, Body, Choice
from libs.channels.outcome import Refused
from libs.config.model import MessageTemplate, TemplateVariable
from libs.testkit.nouns import INVOICE
from services.gateways.whatsapp.door import sandbox_door
from services.gateways.whatsapp.write import Saying, saying
from tests.services.gateways.asked import ID, asked
from tests.services.gateways.conftest import bundle_of

DOOR = sandbox_door("http://sandbox.test")
PDF = Attachment(media_type="application/pdf", name="INV.pdf", object="default/1f/0", size=1200)
PICTURE = Attachment(media_type="image/jpeg", provider_id="100")
DAYS = [Choice(id="ptp:today", title="Aaj"), Choice(id="ptp:friday", title="Friday")]
HEADER: dict[str, Any] = {"type": "header", "parameters": [{"type": "document", "document": {}}]}
NAMED = {"type": "header", "parameters": [{"type": "document", "document": {"filename": "{{invoice_number}}.pdf"}}]}
LINKED = {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://x.example/{{qr}}.png"}}]}
TITLE = {"type": "header", "parameters": [{"type": "text", "text": "Invoice {{invoice_number}}"}]}
LATER = {
    "type": "button",
    "sub_type": "quick_reply",
    "index": 0,
    "parameters": [{"type": "payload", "payload": "LATER:{{ invoice_number }}"}],
}
LINK = {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "{{qr|lower}}"}]}


def said(body: Body, template: MessageTemplate | None = None, **changes: Any) -> Saying:
    told = saying(asked(body=body, **changes), DOOR, template)
    assert isinstance(told, Saying), told
    return told


def written(body: Body, template: MessageTemplate | None = None, **changes: Any) -> dict[str, Any]:
    ready = said(body, template, **changes)
    call = (ready.uploaded("999") if ready.upload else ready).request(DOOR)
    assert not isinstance(call, Refused), call
    return dict(call.body)


def registered(*components: Any) -> MessageTemplate:
    return MessageTemplate(
        id="reminder",
        name="reminder_v1",
        language="en",
        category="utility",
        body="Invoice {{invoice_number}} is open.",
        components=list(components),
        variables=(
            TemplateVariable(name="invoice_number", source="{{invoice_number}}"),
            TemplateVariable(name="qr", source="{{qr}}"),
        ),
    )


def reminder(*attachments: Attachment, choices: list[Choice] | None = None, **variables: str) -> Body:
    return Body(
        text="Invoice is open.",
        template="reminder",
        template_name="reminder_v1",
        language="en",
        variables={"invoice_number": INVOICE, "qr": "AB", **variables},
        attachments=list(attachments),
        choices=choices or [],
    )


def test_a_template_goes_out_with_its_variables_by_name_and_our_id():
    bundle = bundle_of()
    call = said(asked().event.body, bundle.templates["whatsapp"]["payment_reminder"]).request(DOOR)
    assert not isinstance(call, Refused)
    assert call.path == "/v26.0/106540352242922/messages"
    assert call.body["biz_opaque_callback_data"] == str(ID)
    assert call.body["template"] == {
        "name": "payment_reminder_v1",
        "language": {"code": "en"},
        "components": [
            {"type": "body", "parameters": [{"type": "text", "parameter_name": "invoice_number", "text": INVOICE}]}
        ],
    }


def test_variables_named_by_digits_are_positional():
    body = Body(text="x", template="t", template_name="t_v1", language="hi", variables={"1": "Priya", "2": "₹52,400"})
    [component] = written(body)["template"]["components"]
    assert [parameter["text"] for parameter in component["parameters"]] == ["Priya", "₹52,400"]
    assert not any("parameter_name" in parameter for parameter in component["parameters"])


def test_variables_of_components_are_no_parameters_of_the_body():
    components = written(reminder(), registered(TITLE, LATER, LINK))["template"]["components"]
    body = {"type": "text", "parameter_name": "invoice_number", "text": INVOICE}
    assert components == [
        {"type": "header", "parameters": [{"type": "text", "text": f"Invoice {INVOICE}"}]},
        {"type": "body", "parameters": [body]},
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": "0",
            "parameters": [{"type": "payload", "payload": f"LATER:{INVOICE}"}],
        },
        {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "AB"}]},
    ]


@pytest.mark.parametrize(
    ("header", "files", "document"),
    [
        (HEADER, [PDF], {"type": "document", "document": {"id": "999", "filename": "INV.pdf"}}),
        (NAMED, [PDF], {"type": "document", "document": {"id": "999", "filename": f"{INVOICE}.pdf"}}),
        (LINKED, [], {"type": "image", "image": {"link": "https://x.example/AB.png"}}),
    ],
)
def test_a_template_stands_under_the_file_that_its_header_takes(
    header: Any, files: list[Attachment], document: dict[str, Any]
):
    components = written(reminder(*files), registered(header))["template"]["components"]
    assert components[0] == {"type": "header", "parameters": [document]}


def test_choices_are_what_a_templates_own_buttons_give_back():
    components = written(reminder(choices=DAYS), registered())["template"]["components"]
    assert [each["parameters"][0]["payload"] for each in components if each["type"] == "button"] == [
        "ptp:today",
        "ptp:friday",
    ]


def test_choices_under_a_file_are_buttons():
    body = written(Body(text="When?", choices=DAYS, attachments=[PICTURE]))
    assert body["type"] == "interactive"
    assert body["interactive"]["header"] == {"type": "image", "image": {"id": "100"}}
    assert [each["reply"]["id"] for each in body["interactive"]["action"]["buttons"]] == ["ptp:today", "ptp:friday"]


@pytest.mark.parametrize(
    ("attachment", "text", "kind", "about"),
    [
        (PDF, "Your invoice", "document", {"id": "999", "filename": "INV.pdf", "caption": "Your invoice"}),
        (PICTURE, "", "image", {"id": "100"}),
        (
            Attachment(media_type="video/mp4", provider_id="https://x.example/a.mp4"),
            "",
            "video",
            {"link": "https://x.example/a.mp4"},
        ),
        (
            Attachment(media_type="audio/ogg; codecs=opus", object="o", voice=True),
            "",
            "audio",
            {"id": "999", "voice": True},
        ),
    ],
)
def test_a_file_goes_with_its_words(attachment: Attachment, text: str, kind: str, about: dict[str, Any]):
    body = written(Body(text=text, attachments=[attachment]))
    assert (body["type"], body[kind]) == (kind, about)


def test_only_a_file_of_ours_is_uploaded_first():
    assert said(Body(text="", attachments=[PDF])).upload == PDF
    assert said(Body(text="", attachments=[PICTURE])).upload is None
    assert said(Body(text="hello")).upload is None
    assert said(reminder(PDF), registered(LINKED)).upload is None


def test_an_answer_quotes_what_it_answers():
    ready = said(Body(text="yes"), reply_to=ref_of("wamid.hers"))
    assert ready.answers == ref_of("wamid.hers")
    quoting, alone = ready.answering("wamid.hers").request(DOOR), ready.answering(None).request(DOOR)
    assert not isinstance(quoting, Refused)
    assert not isinstance(alone, Refused)
    assert quoting.body["context"] == {"message_id": "wamid.hers"}
    assert "context" not in alone.body


def test_somebody_without_a_phone_is_written_to_by_the_user_id():
    body = written(Body(text="yes"), to="IN.13491208655302741918")
    assert body["recipient"] == "IN.13491208655302741918"
    assert "to" not in body


@pytest.mark.parametrize(
    ("body", "template", "says"),
    [
        (Body(text="", attachments=[PDF, PICTURE]), None, "one file a message; this one has 2"),
        (
            Body(text="", attachments=[Attachment(media_type="image/png")]),
            None,
            "neither in the object store nor at Meta",
        ),
        (
            Body(text="", attachments=[Attachment(media_type="image/png", object="o", size=6_000_000)]),
            None,
            "the file has 6000000 bytes; image may have 5242880",
        ),
        (Body(text="listen", attachments=[Attachment(media_type="audio/ogg", object="o")]), None, "takes no caption"),
        (Body(text=" "), None, "the text is empty"),
        (Body(text="?", choices=[Choice(id="a", title="t" * 21)]), None, "the title of choice 1 has 21"),
        (reminder(), registered(HEADER), "needs the id of an upload, or a link"),
        (Body(text="x", template_name="t", variables={}), registered(), "the variable 'invoice_number' of template t"),
        (
            Body(text="x", template_name="t", variables={"invoice_number": "1"}),
            registered(LINK),
            "the variable 'qr' of template t is missing",
        ),
    ],
)
def test_what_cannot_be_said_is_refused_with_what_is_wrong(body: Body, template: MessageTemplate | None, says: str):
    told = saying(asked(body=body), DOOR, template)
    assert isinstance(told, Refused)
    assert says in told.reason


def test_what_was_erased_cannot_be_sent():
    assert isinstance(saying(asked(to="[erased]", body=Body(text="[erased]")), DOOR, None), Refused)
