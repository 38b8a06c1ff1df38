"""What a WhatsApp template takes beside its body, as it is sent: the header, and what its buttons carry.

Written as Meta's `/messages` takes them, with `{{ }}` where the matter's data go:

    components:
      - {type: header, parameters: [{type: document, document: {filename: "{{invoice_number}}.pdf"}}]}
      - {type: button, sub_type: quick_reply, index: 0, parameters: [{type: payload, payload: "PAY_LATER:{{invoice_number}}"}]}
      - {type: button, sub_type: url, index: 1, parameters: [{type: text, text: "{{invoice_number}}"}]}

A file without a `link` is the attachment that the message brings.
"""

from typing import Any

from libs.config.findings import Findings
from libs.config.tree import Node

_FILES = ("image", "video", "document")
_FILE_KEYS = frozenset({"link", "filename"})
_BUTTONS = {"quick_reply": ("payload", "payload"), "url": ("text", "text")}
_MOST_BUTTONS = 10


def check_components(components: Node, found: Findings) -> None:
    """Everything that Meta would refuse of these components, whatever the data are."""
    taken: set[Any] = set()
    for node in components.items:
        plain = node.plain()
        kind = plain.get("type") if isinstance(plain, dict) else None
        match kind:
            case "header":
                _header(node, plain, found)
            case "button":
                _button(node, plain, found)
            case "body":
                found.error(
                    node, "the body is written in `body`", "leave this component out: its variables are sent in order"
                )
            case _:
                found.error(node, f"{kind!r} is no component that is sent", "write type: header or type: button")
        place = (kind, str(plain.get("index"))) if isinstance(plain, dict) else None
        if place in taken:
            found.error(node, "this component is written twice", "write each header and each button's index once")
        taken.add(place)


def _header(node: Node, plain: dict[str, Any], found: Findings) -> None:
    parameter = _only_parameter(node, plain, found)
    if parameter is None:
        return
    kind = parameter.get("type")
    if kind == "text":
        _has_text(node, parameter, "text", found)
    elif kind in _FILES:
        about = parameter.get(kind, {})
        if not isinstance(about, dict) or set(about) - _FILE_KEYS:
            found.error(node, f"a {kind} takes a link and a filename, or nothing", f"write {kind}: {{filename: …}}")
    else:
        found.error(node, f"a header is no {kind!r}", "write type: text, image, video or document")


def _button(node: Node, plain: dict[str, Any], found: Findings) -> None:
    shape = _BUTTONS.get(str(plain.get("sub_type")))
    if shape is None:
        found.error(node, f"{plain.get('sub_type')!r} is no button", "write sub_type: quick_reply or sub_type: url")
        return
    index = plain.get("index")
    if not str(index).isdigit() or int(str(index)) >= _MOST_BUTTONS:
        found.error(node, f"{index!r} is no place of a button", f"count the buttons from 0 to {_MOST_BUTTONS - 1}")
    parameter = _only_parameter(node, plain, found)
    if parameter is None:
        return
    kind, key = shape
    if parameter.get("type") != kind:
        found.error(node, f"a {plain['sub_type']} carries a {kind}", f"write {{type: {kind}, {key}: …}}")
    else:
        _has_text(node, parameter, key, found)


def _only_parameter(node: Node, plain: dict[str, Any], found: Findings) -> dict[str, Any] | None:
    parameters = plain.get("parameters")
    if isinstance(parameters, list) and len(parameters) == 1 and isinstance(parameters[0], dict):
        return parameters[0]
    found.error(node, "this component takes one parameter", "write parameters: [{type: …}]")
    return None


def _has_text(node: Node, parameter: dict[str, Any], key: str, found: Findings) -> None:
    if not isinstance(parameter.get(key), str) or not parameter[key].strip():
        found.error(node, f"{key!r} is missing", f'write {key}: "…"')
