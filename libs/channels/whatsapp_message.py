"""What can be said on WhatsApp: text, a registered template, a file, buttons, a list; checked against Meta's limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from libs.channels.outcome import Refused

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
INTERACTIVE_LIMIT = 1024
FOOTER_LIMIT = 60
BUTTONS = 3
BUTTON_TITLE = 20
ROWS = 10
ROW_TITLE = 24
ROW_DESCRIPTION = 72
CHOICE_ID = {"button": 256, "list": 200}
MISSING_PARAMETER = 131008
WRONG_VALUE = 131009

FileKind = Literal["image", "document", "audio", "video", "sticker"]


@dataclass(frozen=True, slots=True)
class TextMessage:
    """Free text, allowed while the service window is open; at most 4096 characters."""

    body: str
    preview_url: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """A file by the id of its upload or by a link that Meta fetches; `voice` makes audio (ogg, opus) a voice note."""

    kind: FileKind
    id: str | None = None
    link: str | None = None
    filename: str | None = None
    voice: bool = False


@dataclass(frozen=True, slots=True)
class FileMessage:
    """A file, with a caption of at most 1024 characters where its kind takes one (audio and stickers do not)."""

    file: File
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """An answer to press; `id` comes back in the reply."""

    id: str
    title: str
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ChoiceMessage:
    """A question with up to three buttons; with more options, or with a description, a list that `button` opens."""

    body: str
    options: tuple[Option, ...]
    header: File | str | None = None
    footer: str | None = None
    button: str = "Options"


@dataclass(frozen=True, slots=True)
class QuickReply:
    """What a template's quick reply button (counted from 0) sends back when it is pressed."""

    index: int
    payload: str


@dataclass(frozen=True, slots=True)
class UrlSuffix:
    """What is appended to the address of a template's link button (counted from 0)."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class TemplateMessage:
    """A template that Meta approved. Its `language` must be an approved translation exactly (`en` is not `en_US`).

    `body`: parameters by name where the template has named ones, by position otherwise.
    """

    name: str
    language: str
    body: Mapping[str, str] | tuple[str, ...] = ()
    header: str | File | None = None
    buttons: tuple[QuickReply | UrlSuffix, ...] = ()


Message = TextMessage | TemplateMessage | FileMessage | ChoiceMessage


def content(message: Message) -> dict[str, Any] | Refused:
    """`type` and what belongs to it, or what is wrong with the message."""
    match message:
        case TextMessage():
            return _text(message)
        case TemplateMessage():
            return _template(message)
        case FileMessage():
            return _file(message)
        case ChoiceMessage():
            return _choices(message)


def file_kind(media_type: str) -> FileKind:
    """The kind under which Meta takes a file of this type; what it does not show is a document. Source: Meta, supported media."""
    plain = media_type.partition(";")[0].strip().lower()
    if plain in ("image/jpeg", "image/png"):
        return "image"
    if plain == "image/webp":
        return "sticker"
    if plain in ("video/mp4", "video/3gpp", "video/3gp"):
        return "video"
    if plain in ("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"):
        return "audio"
    return "document"


def _text(message: TextMessage) -> dict[str, Any] | Refused:
    if refused := _too_long("the text", message.body, TEXT_LIMIT):
        return refused
    return {"type": "text", "text": {"preview_url": message.preview_url, "body": message.body}}


def _file(message: FileMessage) -> dict[str, Any] | Refused:
    file, caption = message.file, message.caption
    about = _media(file)
    if isinstance(about, Refused):
        return about
    if file.kind == "audio" and file.voice:
        about["voice"] = True
    if caption:
        if file.kind in ("audio", "sticker"):
            return Refused(WRONG_VALUE, f"{file.kind} takes no caption: send the words as a message", "message")
        if refused := _too_long("the caption", caption, CAPTION_LIMIT):
            return refused
        about["caption"] = caption
    return {"type": file.kind, file.kind: about}


def _choices(message: ChoiceMessage) -> dict[str, Any] | Refused:
    options = message.options
    is_list = len(options) > BUTTONS or any(option.description for option in options)
    if refused := _too_long("the question", message.body, INTERACTIVE_LIMIT) or _wrong_options(options, is_list):
        return refused
    interactive: dict[str, Any] = {"type": "list" if is_list else "button"}
    if message.header is not None:
        header = _interactive_header(message.header, is_list)
        if isinstance(header, Refused):
            return header
        interactive["header"] = header
    interactive["body"] = {"text": message.body}
    if message.footer:
        if refused := _too_long("the footer", message.footer, FOOTER_LIMIT):
            return refused
        interactive["footer"] = {"text": message.footer}
    if is_list:
        if refused := _too_long("the list's button", message.button, BUTTON_TITLE):
            return refused
        interactive["action"] = {"button": message.button, "sections": [{"rows": [_row(each) for each in options]}]}
    else:
        buttons = [{"type": "reply", "reply": {"id": each.id, "title": each.title}} for each in options]
        interactive["action"] = {"buttons": buttons}
    return {"type": "interactive", "interactive": interactive}


def _wrong_options(options: Sequence[Option], is_list: bool) -> Refused | None:
    kind, most, longest = ("list", ROWS, ROW_TITLE) if is_list else ("button", BUTTONS, BUTTON_TITLE)
    if not options:
        return Refused(MISSING_PARAMETER, "there is nothing to choose from", "message")
    if len(options) > most:
        return Refused(WRONG_VALUE, f"there are {len(options)} choices; at most {most} fit a list", "message")
    for part in ("id", "title"):
        values = [getattr(option, part) for option in options]
        if len(set(values)) < len(values):
            return Refused(WRONG_VALUE, f"two choices have the same {part}", "message")
    for n, option in enumerate(options, 1):
        refused = (
            _too_long(f"the title of choice {n}", option.title, longest)
            or _too_long(f"the id of choice {n}", option.id, CHOICE_ID[kind])
            or (
                _too_long(f"the description of choice {n}", option.description, ROW_DESCRIPTION)
                if option.description
                else None
            )
        )
        if refused:
            return refused
    return None


def _row(option: Option) -> dict[str, str]:
    about = {"id": option.id, "title": option.title, "description": option.description}
    return {key: value for key, value in about.items() if value is not None}


def _interactive_header(header: File | str, is_list: bool) -> dict[str, Any] | Refused:
    if isinstance(header, str):
        return _too_long("the header", header, FOOTER_LIMIT) or {"type": "text", "text": header}
    if is_list or header.kind not in ("image", "video", "document"):
        return Refused(
            WRONG_VALUE, f"{'a list' if is_list else 'a question'} takes no {header.kind} above it", "message"
        )
    media = _media(header)
    return media if isinstance(media, Refused) else {"type": header.kind, header.kind: media}


def _template(message: TemplateMessage) -> dict[str, Any] | Refused:
    named = isinstance(message.body, Mapping)
    pairs = message.body.items() if isinstance(message.body, Mapping) else enumerate(message.body, 1)
    parameters: list[dict[str, str]] = []
    for name, value in pairs:
        text = _one_line(value)
        if not text:
            return Refused(MISSING_PARAMETER, f"the parameter {name} of template {message.name} is empty", "message")
        parameters.append({"type": "text", **({"parameter_name": str(name)} if named else {}), "text": text})
    components: list[dict[str, Any]] = []
    if message.header is not None:
        header = _template_header(message)
        if isinstance(header, Refused):
            return header
        components.append({"type": "header", "parameters": [header]})
    if parameters:
        components.append({"type": "body", "parameters": parameters})
    for button in message.buttons:
        value = button.payload if isinstance(button, QuickReply) else button.text
        if not value.strip():
            return Refused(
                MISSING_PARAMETER, f"button {button.index} of template {message.name} says nothing", "message"
            )
        components.append(_button(button))
    template: dict[str, Any] = {"name": message.name, "language": {"code": message.language}}
    if components:
        template["components"] = components
    return {"type": "template", "template": template}


def _template_header(message: TemplateMessage) -> dict[str, Any] | Refused:
    header = message.header
    if isinstance(header, File):
        media = _media(header)
        return media if isinstance(media, Refused) else {"type": header.kind, header.kind: media}
    text = _one_line(header or "")
    if not text:
        return Refused(MISSING_PARAMETER, f"the header of template {message.name} is empty", "message")
    return {"type": "text", "text": text}


def _button(button: QuickReply | UrlSuffix) -> dict[str, Any]:
    if isinstance(button, QuickReply):
        kind, parameter = "quick_reply", {"type": "payload", "payload": button.payload}
    else:
        kind, parameter = "url", {"type": "text", "text": button.text}
    return {"type": "button", "sub_type": kind, "index": str(button.index), "parameters": [parameter]}


def _media(file: File) -> dict[str, Any] | Refused:
    if (file.id is None) == (file.link is None):
        return Refused(MISSING_PARAMETER, f"the {file.kind} needs the id of an upload, or a link", "message")
    about: dict[str, Any] = {"id": file.id} if file.id is not None else {"link": file.link}
    if file.kind == "document" and file.filename:
        about["filename"] = file.filename
    return about


def _too_long(what: str, text: str, limit: int) -> Refused | None:
    if not text.strip():
        return Refused(MISSING_PARAMETER, f"{what} is empty", "message")
    if len(text) > limit:
        return Refused(WRONG_VALUE, f"{what} has {len(text)} characters; at most {limit} are allowed", "message")
    return None


def _one_line(text: str) -> str:
    """Meta refuses line breaks, tabs and runs of spaces in a parameter."""
    return " ".join(text.split())
