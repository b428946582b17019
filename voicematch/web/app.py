"""The pages as an app: every page as HTML and JSON, the actions, sound, and the app's own description."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route, compile_path
from starlette.staticfiles import StaticFiles

from ..errors import AudioError, ChangedSince, LibraryError, NothingThere, ProfileNotFound, VoicematchError
from ..library import Library
from . import addresses, rendering, sound, views
from .actions import ACTIONS, Question, perform, undo
from .description import describe
from .journal import Journal
from .pages import PAGES, Asked, Page
from .reading import Reading
from .safety import LOOPBACK, Safety, policy
from .telling import plain

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024  # of a form; names are short
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
Endpoint = Callable[[Request], Awaitable[Response]]


class TooLarge(VoicematchError):
    """More was sent than a form holds."""


def create_app(library: Library, *, names: Collection[str] = LOOPBACK, password: str | None = None) -> Safety:
    """Make the app over an open library, which stays the caller's to close.

    names : hosts that the pages are reached under
    password : what every request has to give; None when only this machine can ask
    """
    app = App(library)
    handlers = {VoicematchError: app.refused, HTTPException: app.not_found, Exception: app.failed}
    return Safety(Starlette(routes=app.routes(), exception_handlers=handlers), names=names, password=password)


class App:
    """One library behind the routes."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._journal = Journal()
        self._one_at_a_time = threading.Lock()  # actions, so that the journal has them in the order they happened

    def routes(self) -> list[Route | Mount]:
        routes: list[Route | Mount] = [Route("/", lambda request: RedirectResponse("/speakers", HTTPStatus.SEE_OTHER))]
        for name, page in PAGES.items():
            endpoint = self._page(name, page)
            path = addresses.PATHS[name]
            routes += [Route(f"{path}.json", endpoint, name=f"{name}.json"), Route(path, endpoint, name=name)]
        for name in (*ACTIONS, "undo"):
            routes.append(Route(addresses.path("action", name=name), self._action(name), methods=["POST"]))
        routes += [
            Route(addresses.PATHS["audio"], self.audio),
            Route(addresses.PATHS["clip"], self.clip),
            Route(addresses.PATHS["picture"], self.picture),
            Route(addresses.PATHS["openapi"], self.openapi),
            Mount("/static", StaticFiles(directory=rendering.STATIC)),
        ]
        return routes

    # -- pages

    def _page(self, name: str, page: Page) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            return await anyio.to_thread.run_sync(self._show, request, name, page)

        return endpoint

    def _show(self, request: Request, name: str, page: Page) -> Response:
        reading = Reading(self._library, addresses.path)
        view = page.make(reading, Asked({**request.query_params, **request.path_params}))
        if _wants_json(request):
            return Response(rendering.to_json(view), media_type=JSON)
        return self._html(request, name, view, schemes=reading.schemes)

    def _html(
        self, request: Request, name: str, view: object, *, status: int = 200, schemes: Collection[str] = ()
    ) -> Response:
        done = self._journal.told(Asked(request.query_params).number("done", 0))
        if done is not None and not self._journal.can_undo(done.action):
            done = replace(done, action=None)
        text = rendering.html(
            name,
            view,
            url=addresses.path,
            live=True,
            route=name,
            done=done,
            earlier=self._journal.latest(),
            here=_here(request),
            badges=self._library.voices.waiting(),
            query={key: value for key, value in request.query_params.items() if key != "done"},
        )
        return Response(text, status, {"content-security-policy": policy(schemes)}, "text/html")

    # -- actions

    def _action(self, name: str) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            fields = await _fields(request)
            try:
                done = await anyio.to_thread.run_sync(self._act, name, fields)
            except Question as question:
                return self._asked(request, question, _back(request, fields))
            if _wants_json(request):
                return Response(rendering.to_json(done), media_type=JSON)
            back = _back(request, fields)
            if done.go and not await anyio.to_thread.run_sync(self._is_there, back):
                back = done.go
            return RedirectResponse(_telling(back, done.notice), HTTPStatus.SEE_OTHER)

        return endpoint

    def _act(self, name: str, fields: Mapping[str, str]) -> views.Done:
        with self._one_at_a_time:
            if name == "undo":
                return undo(fields, library=self._library, journal=self._journal)
            return perform(name, fields, library=self._library, journal=self._journal)

    def _asked(self, request: Request, question: Question, back: str) -> Response:
        """Ask whether that is meant: in JSON with what to answer, else as a page that sends it again."""
        if _wants_json(request):
            asked = {"error": str(question), "question": str(question), "yes": question.yes}
            return Response(rendering.to_json(asked), HTTPStatus.CONFLICT, media_type=JSON)
        fields = tuple(question.fields.items())
        page = views.SurePage(str(question), question.yes, question.action, fields, back)
        return self._html(request, "sure", page, status=HTTPStatus.CONFLICT)

    def _is_there(self, address: str) -> bool:
        """Whether a page of the app is there still."""
        path = urlsplit(address).path
        for name in ("speaker", "speaker_episode", "episode", "unknown"):
            matched = compile_path(addresses.PATHS[name])[0].fullmatch(path)
            if matched is not None:
                try:
                    PAGES[name].make(Reading(self._library, addresses.path), Asked(matched.groupdict()))
                except LibraryError:
                    return False
        return True

    # -- sound

    def audio(self, request: Request) -> Response:
        """Send an episode's own file, whole or the range asked for."""
        return sound.original(self._library.listings.source(request.path_params["key"]))

    def clip(self, request: Request) -> Response:
        """Send the clearest seconds of an unknown."""
        return Response(sound.clip(self._library, request.path_params["id"]), media_type="audio/wav")

    def picture(self, request: Request) -> Response:
        """Send what a show looks like."""
        jpeg = self._library.programmes.picture(request.path_params["key"])
        return Response(jpeg, media_type="image/jpeg")

    # -- the rest

    def openapi(self, request: Request) -> Response:
        return Response(rendering.to_json(describe()), media_type=JSON)

    def refused(self, request: Request, error: Exception) -> Response:
        return self._wrong(request, _status(request, error), plain(str(error)))

    def not_found(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        there_is_none = "there is no such page; the menu leads to all there are"
        message = there_is_none if error.status_code == HTTPStatus.NOT_FOUND else error.detail
        return self._wrong(request, error.status_code, message, headers=error.headers)

    def failed(self, request: Request, error: Exception) -> Response:
        log.error("%s %s: %r", request.method, request.url.path, error)
        message = "this should not have happened; what went wrong is where voicematch serve runs"
        return self._wrong(request, HTTPStatus.INTERNAL_SERVER_ERROR, message)

    def _wrong(
        self, request: Request, status: int, message: str, *, headers: Mapping[str, str] | None = None
    ) -> Response:
        if _wants_json(request) or request.url.path.startswith(("/audio/", "/clips/")):
            answer = Response(rendering.to_json({"error": message}), status, media_type=JSON)
        else:
            page = views.ErrorPage(status, HTTPStatus(status).phrase, message)
            try:
                answer = self._html(request, "error", page, status=status)
            except VoicematchError:  # the library itself cannot be read, so there is nothing for a menu to count
                answer = Response(f"{message}\n", status, media_type="text/plain")
        answer.headers.update(headers or {})
        return answer


def _status(request: Request, error: Exception) -> int:
    if isinstance(error, ProfileNotFound | NothingThere | AudioError):
        return HTTPStatus.NOT_FOUND
    if isinstance(error, ChangedSince):
        return HTTPStatus.CONFLICT
    if isinstance(error, TooLarge):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    return HTTPStatus.BAD_REQUEST if request.method == "POST" else HTTPStatus.SERVICE_UNAVAILABLE


def _wants_json(request: Request) -> bool:
    if request.url.path.endswith(".json"):
        return True
    accepted = request.headers.get("accept", "")
    return JSON in accepted and "text/html" not in accepted


async def _fields(request: Request) -> dict[str, str]:
    """What a form, or a JSON object of texts, says. Raises TooLarge, VoicematchError."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise TooLarge("more was sent than a form holds")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        return _object(body)
    if kind not in ("", FORM):
        raise VoicematchError(f"{kind}: send a form ({FORM}) or {JSON}")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=50))
    except ValueError as error:
        raise VoicematchError("the form cannot be read; send it as UTF-8") from error


def _object(body: bytes) -> dict[str, str]:
    import json

    try:
        fields: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise VoicematchError(f"not JSON that can be read: {error}") from error
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        raise VoicematchError("send one JSON object in which every value is a text")
    return fields


def _here(request: Request) -> str:
    """The page's own address, without what it was told to tell."""
    rest = [(key, value) for key, value in request.query_params.multi_items() if key != "done"]
    return request.url.path + (f"?{urlencode(rest)}" if rest else "")


def _telling(address: str, notice: int) -> str:
    """An address of ours, to tell there what was done."""
    parts = urlsplit(address)
    rest = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != "done"]
    return urlunsplit(parts._replace(query=urlencode([*rest, ("done", notice)])))


def _back(request: Request, fields: Mapping[str, str]) -> str:
    """The page to go on with: the form's, else the one that it was on; never another site."""
    referer = urlsplit(request.headers.get("referer", ""))
    asked = fields.get("back") or referer.path + (f"?{referer.query}" if referer.query else "")
    if not asked.startswith("/") or asked.startswith(("//", "/\\")) or not asked.isprintable():
        return addresses.path("speakers")
    return asked
