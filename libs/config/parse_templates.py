"""templates/<channel>.yaml: the texts that a provider has registered."""

import re
from typing import get_args

from libs.config.fields import Fields
from libs.config.findings import Findings
from libs.config.model import (
    NAME,
    PLACEHOLDER,
    Dlt,
    MessageTemplate,
    TemplateCategory,
    TemplateVariable,
    variable_name,
)
from libs.config.parse_components import check_components
from libs.config.tree import Node
from libs.domain.templates import syntax_error

CATEGORIES: tuple[TemplateCategory, ...] = get_args(TemplateCategory)
LANGUAGE = re.compile(r"^[a-z]{2,3}(_[A-Z]{2})?$")
LONGEST_BODY = {"whatsapp": 1024}


def parse_template(channel: str, node: Node, found: Findings) -> MessageTemplate:
    fields = Fields(node, found, "a template")
    category = fields.choice("category", CATEGORIES, required=True)
    body = fields.need("body")
    components, dlt = fields.child("components"), fields.child("dlt")
    language = fields.need("language", like="en")
    if language and not LANGUAGE.match(language):
        found.error(
            node.at("language"), f"{language!r} is no language code", "write en, hi or en_US, as it is registered"
        )
    if components is not None and components.kind != "list":
        found.error(components, "components must be a list", "write them as the provider takes them")
    template = MessageTemplate(
        id=fields.need("id"),
        name=fields.need("name", like="the name it is registered under"),
        language=language,
        category=next((each for each in CATEGORIES if each == category), "utility"),
        body=body,
        components=None if components is None else [item.plain() for item in components.items],
        dlt=None if dlt is None else _dlt(dlt, found),
        variables=_variables("\n".join((body, *(each.text for each in _texts(components))))),
    )
    fields.finish()
    if body:
        _registrable(node.at("body"), channel, found)
    if components is not None and components.kind == "list" and channel == "whatsapp":
        check_components(components, found)
    for each in _texts(components):
        _placeholders(each, found)
    return template


def _texts(components: Node | None) -> list[Node]:
    """The texts of the components that have placeholders."""
    scalars = components.scalars() if components is not None else ()
    return [each for each in scalars if isinstance(each.value, str) and PLACEHOLDER.search(each.text)]


def _dlt(node: Node, found: Findings) -> Dlt:
    fields = Fields(node, found, "dlt")
    dlt = Dlt(entity_id=fields.need("entity_id"), template_id=fields.need("template_id"))
    fields.finish()
    return dlt


def _variables(body: str) -> tuple[TemplateVariable, ...]:
    """The placeholders in order, those of the body first; the same one twice is one variable."""
    variables: dict[str, TemplateVariable] = {}
    for placeholder in PLACEHOLDER.finditer(body):
        path = NAME.match(placeholder[1])
        if path:
            name = variable_name(path[0])
            variables.setdefault(name, TemplateVariable(name=name, source=placeholder[0]))
    return tuple(variables.values())


def _registrable(body: Node, channel: str, found: Findings) -> None:
    """A registered text is fixed but for its placeholders. Source: Meta's rules for message templates."""
    text = body.text
    if syntax_error(text) is not None:
        return  # said where names are checked
    if "{%" in text or "{#" in text:
        found.error(body, "a registered text has no {% %} or {# #}", "write one template for each wording")
    _placeholders(body, found)
    longest = LONGEST_BODY.get(channel)
    if longest and len(text) > longest:
        found.error(body, f"the body has {len(text)} characters", f"{channel} takes {longest}")
    if channel == "whatsapp" and re.search(r"^\s*\{\{|\}\}\s*$", text):
        found.warn(body, "the body begins or ends with a variable, which Meta does not register", "put words around it")


def _placeholders(body: Node, found: Findings) -> None:
    """Each begins with a name, and one variable is written in one way."""
    text = body.text
    sources: dict[str, str] = {}
    for placeholder in PLACEHOLDER.finditer(text):
        path = NAME.match(placeholder[1])
        if path is None:
            found.error(
                body, f"{placeholder[0]} names nothing", "a placeholder begins with a name, such as {{amount|inr}}"
            )
            continue
        name = variable_name(path[0])
        if sources.setdefault(name, placeholder[1]) != placeholder[1]:
            found.error(
                body,
                f"the variable {name!r} is written in two ways: {sources[name]!r} and {placeholder[1]!r}",
                "write a variable the same way everywhere in a body",
            )
