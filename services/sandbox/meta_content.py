"""What a message to Meta may hold besides text: files, buttons, lists and reactions, by Meta's own limits."""

from typing import Annotated, Literal

import msgspec

Short = Annotated[str, msgspec.Meta(min_length=1, max_length=20)]


class Text(msgspec.Struct):
    body: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
    preview_url: bool = False


class File(msgspec.Struct):
    """By the id of an upload, or by a link that Meta would fetch."""

    id: str | None = None
    link: str | None = None
    caption: Annotated[str, msgspec.Meta(max_length=1024)] | None = None
    filename: str | None = None
    voice: bool = False


class Reaction(msgspec.Struct):
    message_id: str
    emoji: str = ""


class Parameter(msgspec.Struct):
    type: str
    text: str | None = None
    parameter_name: str | None = None
    payload: str | None = None
    image: File | None = None
    video: File | None = None
    document: File | None = None

    @property
    def file(self) -> File | None:
        return self.image or self.video or self.document


class Component(msgspec.Struct):
    type: Literal["header", "body", "button"]
    parameters: list[Parameter] = []
    sub_type: str | None = None
    index: str | int | None = None


class Language(msgspec.Struct):
    code: str


class TemplateCall(msgspec.Struct):
    name: str
    language: Language
    components: list[Component] = []


class Words(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class Footer(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class Header(msgspec.Struct):
    type: Literal["text", "image", "video", "document"]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=60)] | None = None
    image: File | None = None
    video: File | None = None
    document: File | None = None

    @property
    def file(self) -> File | None:
        return self.image or self.video or self.document


class Reply(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    title: Short


class Button(msgspec.Struct):
    type: Literal["reply"]
    reply: Reply


class Row(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=24)]
    description: Annotated[str, msgspec.Meta(max_length=72)] | None = None


class Section(msgspec.Struct):
    rows: Annotated[list[Row], msgspec.Meta(min_length=1)]
    title: str | None = None


class Action(msgspec.Struct):
    buttons: Annotated[list[Button], msgspec.Meta(min_length=1, max_length=3)] = []
    button: Short | None = None
    sections: Annotated[list[Section], msgspec.Meta(min_length=1, max_length=10)] = []


class Interactive(msgspec.Struct):
    type: Literal["button", "list"]
    body: Words
    action: Action
    header: Header | None = None
    footer: Footer | None = None

    @property
    def offered(self) -> list[tuple[str, str]]:
        """The id and title of each choice."""
        if self.type == "button":
            return [(each.reply.id, each.reply.title) for each in self.action.buttons]
        return [(row.id, row.title) for section in self.action.sections for row in section.rows]
