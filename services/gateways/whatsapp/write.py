"""What a conversation wants said, as a message of WhatsApp's: words, a question, a file, or a registered template."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from events.base import Recorded
from events.conversation import MessageRequested
from events.values import Attachment, Body
from libs.channels import whatsapp
from libs.channels.outcome import Refused
from libs.channels.whatsapp_media import too_large
from libs.channels.whatsapp_message import MISSING_PARAMETER, WRONG_VALUE, FileKind, file_kind
from libs.config.model import MessageTemplate
from services.gateways.whatsapp.door import WhatsAppDoor

UPLOAD = "upload"
"""Stands for the id of a file until Meta has it."""
_PLACEHOLDER = re.compile(r"\{\{-?\s*([A-Za-z_]\w*(?:\.\w+)*).*?\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Saying:
    """A message that is ready, but for the file `upload`, which Meta must have first, and the message that it answers."""

    message: whatsapp.Message
    to: str
    reference: str
    reply_to: str | None = None
    """Meta's id of the message that it answers, once that is known."""
    answers: str | None = None
    """What stands for that id."""
    upload: Attachment | None = None

    def request(self, door: WhatsAppDoor) -> whatsapp.Request | Refused:
        """The call that says it; our message id travels along and comes back in every status."""
        return whatsapp.write(
            self.message, to=self.to, account=door.phone_id, reference=self.reference, reply_to=self.reply_to
        )

    def uploaded(self, media_id: str) -> "Saying":
        """The same with the file that Meta has now."""
        return replace(self, message=_with(self.message, media_id), upload=None)

    def answering(self, message_id: str | None) -> "Saying":
        """The same with the message that it shows above it; None where nobody knows that any more."""
        return replace(self, reply_to=message_id, answers=None)


def saying(
    intent: Recorded[MessageRequested], door: WhatsAppDoor, template: MessageTemplate | None
) -> Saying | Refused:
    """What an intent asks for; `template` is the bundle's, where it names one. What can never be sent is refused."""
    event = intent.event
    body = event.body
    if len(body.attachments) > 1:
        says = f"WhatsApp sends one file a message; this one has {len(body.attachments)}: ask for as many messages"
        return Refused(WRONG_VALUE, says, "message")
    file: whatsapp.File | None = None
    if body.attachments:
        taken = _file(body.attachments[0])
        if isinstance(taken, Refused):
            return taken
        file = taken
    message = _template(body, template, file) if body.template_name else _free(body, file)
    if isinstance(message, Refused):
        return message
    its = _file_of(message)
    upload = body.attachments[0] if its is not None and its.id == UPLOAD else None
    said = Saying(message, event.to, str(intent.id), answers=event.reply_to, upload=upload)
    checked = said.request(door)
    return checked if isinstance(checked, Refused) else said


def _free(body: Body, file: whatsapp.File | None) -> whatsapp.Message:
    if body.choices:
        options = tuple(whatsapp.Option(each.id, each.title, each.description) for each in body.choices)
        return whatsapp.ChoiceMessage(body.text, options, header=file)
    if file is not None:
        return whatsapp.FileMessage(file, body.text or None)
    return whatsapp.TextMessage(body.text)


def _template(body: Body, template: MessageTemplate | None, file: whatsapp.File | None) -> whatsapp.Message | Refused:
    names = template.body_variables if template is not None else tuple(body.variables)
    if lost := [name for name in names if name not in body.variables]:
        return Refused(
            MISSING_PARAMETER, f"the variable {lost[0]!r} of template {body.template_name} is missing", "message"
        )
    values = {name: body.variables[name] for name in names}
    positional = all(name.isdigit() for name in names)
    components: Sequence[Any] = (template.components if template is not None else None) or ()
    header: str | whatsapp.File | None = file
    buttons = _quick_replies(body)
    try:
        for component in components:
            if component["type"] == "header":
                header = _header(component["parameters"][0], body.variables, file)
        buttons = _buttons(components, body.variables) or buttons
    except KeyError as lost_name:
        return Refused(
            MISSING_PARAMETER, f"the variable {lost_name} of template {body.template_name} is missing", "message"
        )
    return whatsapp.TemplateMessage(
        body.template_name or "",
        body.language or "en",
        tuple(values.values()) if positional else values,
        header,
        buttons,
    )


def _header(
    parameter: Mapping[str, Any], variables: Mapping[str, str], file: whatsapp.File | None
) -> str | whatsapp.File:
    kind = parameter["type"]
    if kind == "text":
        return _filled(parameter["text"], variables)
    about = parameter.get(kind) or {}
    name = _filled(about["filename"], variables) if about.get("filename") else None
    if about.get("link"):
        return whatsapp.File(kind, link=_filled(about["link"], variables), filename=name)
    if file is None:
        return whatsapp.File(kind)
    return replace(file, kind=kind, filename=name or file.filename, voice=False)


def _buttons(
    components: Sequence[Any], variables: Mapping[str, str]
) -> tuple[whatsapp.QuickReply | whatsapp.UrlSuffix, ...]:
    buttons: list[whatsapp.QuickReply | whatsapp.UrlSuffix] = []
    for component in components:
        if component["type"] != "button":
            continue
        parameter, index = component["parameters"][0], int(component["index"])
        if component["sub_type"] == "quick_reply":
            buttons.append(whatsapp.QuickReply(index, _filled(parameter["payload"], variables)))
        else:
            buttons.append(whatsapp.UrlSuffix(index, _filled(parameter["text"], variables)))
    return tuple(buttons)


def _quick_replies(body: Body) -> tuple[whatsapp.QuickReply | whatsapp.UrlSuffix, ...]:
    """The template's own buttons give back the ids of the choices, in order."""
    return tuple(whatsapp.QuickReply(index, choice.id) for index, choice in enumerate(body.choices))


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """The text with its placeholders filled. Raises KeyError for a variable that there is not."""
    return _PLACEHOLDER.sub(lambda found: variables[found[1].replace(".", "_").lower()], text)


def _file(attachment: Attachment) -> whatsapp.File | Refused:
    """By its upload or its link where the attachment names one, else to be uploaded out of the object store."""
    kind: FileKind = file_kind(attachment.media_type)
    if attachment.size is not None and (refused := too_large(kind, attachment.size)):
        return refused
    there = attachment.provider_id
    voice = attachment.voice and kind == "audio"
    if there is not None and there.startswith("https://"):
        return whatsapp.File(kind, link=there, filename=attachment.name, voice=voice)
    if there is None and attachment.object is None:
        return Refused(MISSING_PARAMETER, "the file is neither in the object store nor at Meta", "message")
    return whatsapp.File(kind, id=there or UPLOAD, filename=attachment.name, voice=voice)


def _file_of(message: whatsapp.Message) -> whatsapp.File | None:
    match message:
        case whatsapp.FileMessage(file=file):
            return file
        case (
            whatsapp.ChoiceMessage(header=whatsapp.File() as file)
            | whatsapp.TemplateMessage(header=whatsapp.File() as file)
        ):
            return file
        case _:
            return None


def _with(message: whatsapp.Message, media_id: str) -> whatsapp.Message:
    """The message with the file that it brings at Meta."""
    file = _file_of(message)
    if file is None:
        return message
    there = replace(file, id=media_id)
    if isinstance(message, whatsapp.FileMessage):
        return replace(message, file=there)
    return replace(cast("whatsapp.ChoiceMessage | whatsapp.TemplateMessage", message), header=there)
