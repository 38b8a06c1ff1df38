"""The page of our API, rendered out of its own OpenAPI document: one HTML file that loads nothing.

Of what is handed on to other processes it says what they say themselves.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin

_SCHEMAS = "#/components/schemas/"
_METHODS = ("get", "post", "put", "patch", "delete")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
  :root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
  body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
  details {{ border: 1px solid color-mix(in srgb, currentColor 20%, transparent); border-radius: .5rem; margin: .5rem 0; padding: .5rem 1rem; }}
  summary {{ cursor: pointer; }}
  code {{ font: .875rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }}
  .method {{ display: inline-block; min-width: 4.5rem; font-weight: 700; }}
  td, th {{ text-align: left; padding: .1rem 1rem .1rem 0; vertical-align: top; }}
</style>
</head>
<body>
<h1>{title} <small>{version}</small></h1>
<p>{description}</p>
<p>The same as a document: <a href="{document}">{document}</a></p>
{operations}
</body>
</html>
"""


Documents = Mapping[str, Mapping[str, Any]]
"""Those of other processes, by the name of who hands requests on to them."""


class Document(JsonRenderPlugin):
    """The document itself."""

    def __init__(self, others: Documents) -> None:
        super().__init__()
        self._others = others

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, joined(openapi_schema, self._others))


class PlainPage(OpenAPIRenderPlugin):
    """Lists every operation with its parameters, body and answers; works without a network."""

    def __init__(self, others: Documents) -> None:
        super().__init__(path="/")
        self._others = others

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        openapi_schema = joined(openapi_schema, self._others)
        info = openapi_schema["info"]
        operations = [
            _operation(path, method, item[method], openapi_schema)
            for path, item in sorted(openapi_schema.get("paths", {}).items())
            for method in _METHODS
            if method in item
        ]
        return _PAGE.format(
            title=escape(info["title"]),
            version=escape(info["version"]),
            description=escape(info.get("description") or ""),
            document=escape(self.get_openapi_json_route(request)),
            operations="\n".join(operations),
        ).encode()


def joined(document: Mapping[str, Any], others: Documents) -> dict[str, Any]:
    """One document of all. The shapes of the others get their name before their own, as two may call theirs the same."""
    paths, schemas = dict(document.get("paths", {})), dict(document.get("components", {}).get("schemas", {}))
    for name, other in others.items():
        paths = {**_renamed(other.get("paths", {}), name), **paths}
        told = other.get("components", {}).get("schemas", {})
        schemas |= {f"{name}.{each}": _renamed(schema, name) for each, schema in told.items()}
    components = {**document.get("components", {}), "schemas": schemas}
    return {**document, "paths": paths, "components": components}


def _renamed(part: Any, name: str) -> Any:
    """A part of a document whose references are to the shapes as `joined` calls them."""
    if isinstance(part, Mapping):
        refers = part.get("$ref")
        if isinstance(refers, str):
            return {**part, "$ref": refers.replace(_SCHEMAS, f"{_SCHEMAS}{name}.")}
        return {key: _renamed(value, name) for key, value in part.items()}
    return [_renamed(each, name) for each in part] if isinstance(part, list) else part


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    parts = [
        f'<details><summary><span class="method">{method.upper()}</span> <code>{escape(path)}</code>',
        f"<br>{escape(operation.get('description') or '')}</summary>",
    ]
    if operation.get("parameters"):
        rows = "".join(
            f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}</td>"
            f"<td>{escape(p.get('description') or '')}</td></tr>"
            for p in operation["parameters"]
        )
        parts.append(f"<table><tr><th>parameter</th><th>in</th><th></th></tr>{rows}</table>")
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Body, <code>{escape(media)}</code></p>{_fields(content.get('schema', {}), document)}")
    answers = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(answer.get('description') or '')}</td></tr>"
        for status, answer in operation.get("responses", {}).items()
    )
    parts.append(f"<table><tr><th>answer</th><th></th></tr>{answers}</table></details>")
    return "".join(parts)


def _fields(schema: dict[str, Any], document: dict[str, Any]) -> str:
    schema = _resolve(schema, document)
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_type_of(field, document))}</td>"
        f"<td>{'required' if name in required else ''}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    )
    return f"<table><tr><th>field</th><th>type</th><th></th></tr>{rows}</table>" if rows else ""


def _resolve(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _type_of(schema: dict[str, Any], document: dict[str, Any]) -> str:
    schema = _resolve(schema, document)
    kind = schema.get("type")
    if isinstance(kind, str):
        return kind
    if isinstance(kind, list):
        return " or ".join(kind)
    options = schema.get("oneOf") or schema.get("anyOf") or ()
    return " or ".join(_type_of(option, document) for option in options) or "any"
