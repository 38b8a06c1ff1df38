"""A bundle's state maps and flows as one page of pictures, which any browser shows."""

from collections.abc import Iterator
from html import escape

from libs.config.bundle import Bundle
from libs.config.draw import INK
from libs.config.draw_flow import flow
from libs.config.draw_map import INKS, state_map

STYLE = f"body{{font:15px system-ui,sans-serif;color:{INK};margin:24px}}h2{{margin:40px 0 8px}}nav a,b{{margin-right:14px}}svg{{display:block}}"


def pictures(bundle: Bundle) -> str:
    """An HTML page without scripts: each state map, then each flow, and where to find them."""
    return "\n".join(_page(bundle)) + "\n"


def _page(bundle: Bundle) -> Iterator[str]:
    title = f"bundle {bundle.hash[:12]}"
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title><style>{STYLE}</style></head><body>"
    yield f"<h1>{title}</h1>"
    for what, names in (("State maps", bundle.state_maps), ("Flows", bundle.flows)):
        links = " ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in names)
        yield f"<nav><b>{what}</b>{links}</nav>"
    triggers = "".join(f'<b style="color:{ink}">{trigger}</b>' for trigger, ink in INKS.items())
    yield f"<p>A transition leads from the rings to the arrow. Its trigger: {triggers} The number is its place in the file.</p>"
    for name, map_ in bundle.state_maps.items():
        yield f'<h2 id="{escape(name)}">{escape(name)}</h2>\n{state_map(map_)}'
    for name, each in bundle.flows.items():
        yield f'<h2 id="{escape(name)}">{escape(name)}</h2>\n{flow(each)}'
    yield "</body></html>"
