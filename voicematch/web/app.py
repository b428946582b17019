"""The pages as an app: every page as HTML and JSON, the actions, sound, and the app's own description."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route, compile_path
from starlette.staticfiles import StaticFiles

from .. import given, outputs
from ..errors import AudioError, ChangedSince, LibraryError, NothingThere, ProfileNotFound, VoicematchError
from ..formats.amounts import plural
from ..formats.file_names import file_name
from ..formats.pictures import MOST_SENT, square
from ..library import Library
from ..library.job import file_job
from ..library.reading.episodes import key_of
from . import addresses, pictures, rendering, sound, views
from .actions import ACTIONS, Question, perform, set_picture, undo
from .description import describe
from .journal import Journal
from .pages import PAGES, Asked, Page
from .reading import Reading
from .safety import LOOPBACK, Safety, policy
from .site.feeds import MOST_ENTRIES, atom
from .telling import plain
from .uploads import Received, TooLarge, received
from .working import MOST_UPLOADED, QueueRun, folder_of, keep, sound_name

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024  # of a form; names are short
MOST_FIELDS = 2_100  # of a form; lines are marked one by one
MOST_HEARD = 200  # episodes whose loudness is kept
MOST_FILES = 100  # handed in at once
CROP = (("across", 0.0, 100.0), ("down", 0.0, 100.0), ("zoom", 1.0, 8.0))  # field, least and most
DOWNLOADS = {
    "vtt": "text/vtt",
    "srt": "application/x-subrip",
    "txt": "text/plain",
    "md": "text/markdown",
    "json": "application/json",
}
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(
    library: Library,
    *,
    names: Collection[str] = LOOPBACK,
    password: str | None = None,
    queue: QueueRun | None = None,
) -> Safety:
    """Make the app over an open library, which stays the caller's to close.

    names : hosts that the pages are reached under
    password : what every request has to give; None when only this machine can ask
    queue : works the queue off when the pages are asked to; None for pages that leave it alone
    """
    app = App(library, queue)
    handlers = {
        VoicematchError: app.refused,
        HTTPException: app.not_found,
        ClientDisconnect: app.left,
        Exception: app.failed,
    }
    return Safety(Starlette(routes=app.routes(), exception_handlers=handlers), names=names, password=password)


class App:
    """One library behind the routes."""

    def __init__(self, library: Library, queue: QueueRun | None = None) -> None:
        self._library = library
        self._queue = queue
        self._journal = Journal(lambda: library.upkeep.num_erasures())
        self._levels: dict[str, list[int]] = {}
        self._one_is_heard = threading.Lock()  # decoding takes a core for seconds
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
            Route(addresses.PATHS["portrait"], self.portrait, methods=["GET", "HEAD"]),
            Route(addresses.PATHS["portrait"], self.portray, methods=["POST"]),
            Route(addresses.PATHS["appearances"], self.appearances),
            Route(addresses.PATHS["upload"], self.upload, methods=["POST"]),
            Route(addresses.PATHS["download"], self.download),
            Route(addresses.PATHS["audio"], self.audio),
            Route(addresses.PATHS["loudness"], self.loudness),
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
        self._library.follow()
        reading = Reading(self._library, addresses.path, queue=self._queue, undoable=self._journal.undoable())
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
        self._library.follow()
        if name != "undo" and ACTIONS[name].work is not None:  # asks others for feeds, and nothing of it is undone
            return perform(name, fields, library=self._library, journal=self._journal, queue=self._queue)
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

    # -- files in and out

    async def upload(self, request: Request) -> Response:
        """Take sound files in, and queue them."""
        if self._queue is None:
            raise LibraryError("the queue is not worked off from here")
        async with received(request, most=MOST_UPLOADED, most_files=MOST_FILES) as form:
            done = await anyio.to_thread.run_sync(self._take_in, form)
        if _wants_json(request):
            return Response(rendering.to_json(done), media_type=JSON)
        return RedirectResponse(_telling(addresses.path("backlog"), done.notice), HTTPStatus.SEE_OTHER)

    def _take_in(self, form: Received) -> views.Done:
        assert self._queue is not None
        since = self._journal.num_erasures()
        folder = folder_of(self._library)
        new = [file_job(keep(path, sound_name(name), folder), "")[1] for name, path in form.files]
        if not new:
            raise VoicematchError("choose a sound file")
        added = self._library.jobs.add(new, by_hand=True)
        if added.num_new and form.fields.get("start"):
            self._queue.start()
        known = f", {added.num_known} known already" if added.num_known else ""
        text = f"{plural(added.num_new, 'episode')} queued{known}"
        return self._journal.tell(views.Done(text, None, 0, 0, go=addresses.path("backlog")), since)

    def appearances(self, request: Request) -> Response:
        """Send a feed of the episodes that a person speaks in, newest first."""
        person = self._library.people.profile(Asked(request.path_params).number("id", 0))
        some, _ = self._library.listings.episodes(profile=person.id, limit=MOST_ENTRIES)
        base = f"{request.url.scheme}://{request.headers['host']}"
        entries = [(one, base + addresses.path("episode", key=key_of(one.audio_sha256))) for one in some]
        page, own = (base + addresses.path(name, id=person.id) for name in ("speaker", "appearances"))
        feed = atom(f"{person.name} on podcasts", person.name, page, own, entries)
        return Response(feed, media_type="application/atom+xml")

    def portrait(self, request: Request) -> Response:
        """Send the picture of a person."""
        picture = self._library.portrayals.picture(Asked(request.path_params).number("id", 0))
        if picture is None:
            raise NothingThere("there is no picture of this person")
        return Response(picture, media_type="image/jpeg")

    async def portray(self, request: Request) -> Response:
        """Take the picture of a person in: a file, or with ``from=feed`` the feed's; else the one there is goes."""
        async with received(request, most=MOST_SENT, most_files=1) as form:
            done = await anyio.to_thread.run_sync(self._portray, Asked(request.path_params).number("id", 0), form)
        if _wants_json(request):
            return Response(rendering.to_json(done), media_type=JSON)
        return RedirectResponse(_telling(_back(request, form.fields), done.notice), HTTPStatus.SEE_OTHER)

    def _portray(self, number: int, form: Received) -> views.Done:
        name = self._library.people.profile(number).name
        place = {key: _within(form.fields.get(key, ""), least, most) for key, least, most in CROP}
        if form.fields.get("from") == "feed":
            found = self._library.jobs.picture_of(number)
            if found is None:
                raise NothingThere(f"no feed has a picture of {name}")
            made: bytes | None = pictures.of_feed(found)
        elif form.files:
            sent = form.files[0][1].read_bytes()
            made = square(sent, "the picture", **{key: at for key, at in place.items() if at})
        else:
            made = None
        with self._one_at_a_time:
            return set_picture(name, made, library=self._library, journal=self._journal)

    def download(self, request: Request) -> Response:
        """Send an episode with today's names, in a format."""
        form, key = request.path_params["format"], request.path_params["key"]
        if form not in DOWNLOADS:
            raise NothingThere(f"episodes are to be had as {', '.join(DOWNLOADS)}")
        episode = self._library.episodes.get(self._library.listings.episode(key).summary.audio_sha256)
        name = quote(f"{file_name(episode.title or Path(episode.source).stem) or 'episode'}.{form}")
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(outputs.text_of(episode, form), media_type=DOWNLOADS[form], headers=headers)

    # -- sound

    def audio(self, request: Request) -> Response:
        """Send an episode's own file, whole or the range asked for."""
        return sound.original(self._library.listings.source(request.path_params["key"]))

    def loudness(self, request: Request) -> Response:
        """Send how loud the parts of an episode are; decoded once, one episode at a time."""
        source = self._library.listings.source(request.path_params["key"])
        with self._one_is_heard:
            if source not in self._levels:
                if len(self._levels) >= MOST_HEARD:
                    self._levels.clear()
                self._levels[source] = sound.loudness(source)
        return Response(rendering.to_json({"levels": self._levels[source]}), media_type=JSON)

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

    def left(self, request: Request, error: Exception) -> Response:
        """Answer nobody: whoever asked hung up before all of it was sent, which is no reason to write a line."""
        return Response(status_code=HTTPStatus.BAD_REQUEST)

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


def _within(text: str, least: float, most: float) -> float | None:
    """The number that a field holds, if it holds one of these."""
    with suppress(ValueError):
        if least <= (number := float(text)) <= most:
            return number
    return None


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
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise VoicematchError("the form cannot be read; send it as UTF-8") from error
    fields: dict[str, str] = {}
    for name, value in pairs:  # marked lines come one by one, under one name
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    return fields


def _object(body: bytes) -> dict[str, str]:
    import json

    try:
        fields: Any = given.parsed(body)
        json.dumps(fields, ensure_ascii=False).encode()  # half of a surrogate pair is no text, and no page can say it
    except ValueError as error:
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
