"""A view as HTML, through its template, or as JSON."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from . import drawing, views

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"


@cache
def environment() -> Environment:
    """Open the templates; every value is escaped, and a name that does not exist is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= drawing.FILTERS
    made.globals |= drawing.GLOBALS
    made.globals |= {"site_title": "Voicematch", "version": __version__}
    return made


def html(template: str, page: object, **context: Any) -> str:
    """Return the page; ``context`` has url, live, route, undo, badges and query."""
    return environment().get_template(f"{template}.html").render(page=page, **context)


def to_json(view: object) -> bytes:
    """Return the view as JSON, each value by its field's name."""
    return json.dumps(view, default=_plain, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: object) -> dict[str, Any]:
    """One level; ``json`` asks again for those below."""
    if isinstance(value, views.Paging):
        return dataclasses.asdict(value) | {"previous": value.previous, "next": value.next}
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} is no part of a view")
