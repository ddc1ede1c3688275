"""The page of what can be asked, for people: no script, and nothing that is fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
code { background: #f0f0f0; padding: 0 .25em; } h2 { margin: 1.6rem 0 .2rem; font-size: 1.05rem; }
table { border-collapse: collapse; } td { border: 1px solid #ccc; padding: .2rem .6rem; vertical-align: top; }
"""


def page_of(schema: Mapping[str, Any]) -> str:
    """HTML of an OpenAPI description."""
    info = schema["info"]
    parts = [
        f"<!doctype html><meta charset=utf-8><title>{escape(info['title'])}</title><style>{_STYLE}</style>",
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}",
        "<p>Machines read <a href=openapi.json>openapi.json</a>. A server with a key wants it in each request: "
        "<code>Authorization: Bearer KEY</code>.",
    ]
    for path, methods in schema["paths"].items():
        for method, facts in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts += [f"<p>{_marked(text)}" for text in facts.get("description", "").split("\n\n")]
            parts.append(_table(facts.get("parameters", ())))
    return "\n".join(parts)


def _table(parameters: Any) -> str:
    rows = [
        f"<tr><td><code>{escape(each['name'])}</code><td>{each['in']}<td>{escape(each['schema'].get('type', ''))}"
        f"<td>{escape(each.get('description', ''))}"
        for each in parameters
    ]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def _marked(text: str) -> str:
    """Text with ``code`` in it."""
    pieces = escape(text).split("``")
    return "".join(f"<code>{piece}</code>" if n % 2 else piece for n, piece in enumerate(pieces))
