"""The app's description in OpenAPI, made from the tables of pages and actions and from the classes of their answers."""

from __future__ import annotations

import dataclasses
import inspect
import re
import types
import typing
from functools import cache
from typing import Any

from .. import __version__
from ..library.reading.episodes import Named
from . import views
from .actions import ACTIONS, UNDO_FIELDS, Field
from .addresses import PATHS, path
from .pages import PAGES, Page

SCALARS: dict[object, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}
SCHEMAS: dict[object, str] = {  # what those who use the description know some classes as
    views.AppearanceCard: "Appearance",
    views.EpisodeExcerpt: "Excerpt",
    views.FoundLine: "Hit",
    views.HeardIn: "Heard",
    views.JobCard: "Job",
    Named: "Person",
    views.TimelineTurn: "Turn",
    views.TranscriptLine: "Line",
}


@cache
def describe() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    schemas: dict[str, Any] = {"Error": _object({"error": {"type": "string"}})}
    paths: dict[str, Any] = {}
    for name, page in PAGES.items():
        answer = _answer(_schema(page.view, schemas))
        paths[f"{PATHS[name]}.json"] = {"get": _operation(name, page, answer)}
    for name, action in ACTIONS.items():
        paths[path("action", name=name)] = {"post": _posting(name, action.summary, action.fields, schemas)}
    paths[path("action", name="undo")] = {"post": _posting("undo", "Take an action back.", UNDO_FIELDS, schemas)}
    paths[PATHS["upload"]] = {"post": _uploading(schemas)}
    for name, kind, about, missing in (
        ("audio", "audio/*", "An episode's own file; ranges are answered.", "the sound is gone"),
        ("clip", "audio/wav", "The clearest seconds of a voice without a name.", "the sound is gone"),
        ("loudness", "application/json", "How loud each of 600 parts of an episode is, 0 to 100.", "the sound is gone"),
        ("appearances", "application/atom+xml", "A feed of the episodes that a person speaks in.", "there is none"),
        ("portrait", "image/jpeg", "The picture of a person, 480 pixels square.", "there is none"),
        ("picture", "image/jpeg", "What a show looks like.", "there is none"),
        ("download", "text/*", "An episode with today's names: vtt, srt, txt, md or json.", "there is none"),
    ):
        parameters = [
            {"name": part, "in": "path", "required": True, "schema": SCALARS[str]}
            for part in re.findall(r"{(\w+)}", PATHS[name])
        ]
        answers = {"200": {"description": about, "content": {kind: {}}}, "404": _wrong(missing)}
        paths[PATHS[name]] = {
            "get": {"operationId": name, "summary": about, "parameters": parameters, "responses": answers}
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Voicematch", "version": __version__, "description": views.__doc__},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(name: str, page: Page, answer: dict[str, Any]) -> dict[str, Any]:
    answers = {"200": answer}
    if any(parameter.in_path for parameter in page.parameters):
        answers["404"] = _wrong("there is none")
    return {
        "operationId": name,
        "summary": page.summary,
        "parameters": [
            {
                "name": parameter.name,
                "in": "path" if parameter.in_path else "query",
                "required": parameter.in_path,
                "description": parameter.about,
                "schema": {"type": parameter.kind},
            }
            for parameter in page.parameters
        ],
        "responses": answers,
    }


def _posting(name: str, summary: str, fields: tuple[Field, ...], schemas: dict[str, Any]) -> dict[str, Any]:
    body = _object({field.name: {"type": "string", "description": field.about} for field in fields})
    body["required"] = [field.name for field in fields if not field.may_be_empty]
    return {
        "operationId": name,
        "summary": summary,
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": body} for kind in ("application/json", "application/x-www-form-urlencoded")},
        },
        "responses": {
            "200": _answer(_schema(views.Done, schemas)),
            "303": {"description": "done; for those who did not ask for JSON"},
            "400": _wrong("refused, with the reason"),
            "403": {"description": "another site asked for it"},
            "404": _wrong("there is none"),
            "409": _wrong("has been changed since; or, with a question, is to be sent again with sure=yes"),
        },
    }


def _uploading(schemas: dict[str, Any]) -> dict[str, Any]:
    body = _object({"file": {"type": "string", "format": "binary"}, "start": {"type": "string"}})
    body["required"] = ["file"]
    return {
        "operationId": "upload",
        "summary": "Queue sound files.",
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}},
        "responses": {"200": _answer(_schema(views.Done, schemas)), "400": _wrong("refused, with the reason")},
    }


def _answer(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "as asked", "content": {"application/json": {"schema": schema}}}


def _wrong(about: str) -> dict[str, Any]:
    return {
        "description": about,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _schema(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of a value of that type; classes are put into ``schemas`` and referred to."""
    if kind in SCALARS:
        return SCALARS[kind]
    if kind is type(None):
        return {"type": "null"}
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_schema(one, schemas) for one in inside]}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(inside[1], schemas)}
    if origin is tuple and inside[-1] is Ellipsis:
        return {"type": "array", "items": _schema(inside[0], schemas)}
    if origin is tuple:
        return {"type": "array", "prefixItems": [_schema(one, schemas) for one in inside]}
    name = SCHEMAS.get(kind, kind.__name__)
    if name not in schemas:
        hints = typing.get_type_hints(kind)
        own = schemas[name] = _object({})
        properties = {field.name: _schema(hints[field.name], schemas) for field in dataclasses.fields(kind)}
        if kind is views.Paging:
            properties |= {name: {"anyOf": [SCALARS[int], {"type": "null"}]} for name in ("previous", "next")}
        own |= _object(properties)
        about = inspect.getdoc(kind)
        if about and not about.startswith(f"{kind.__name__}("):
            own["description"] = about
    return {"$ref": f"#/components/schemas/{name}"}
