"""The page itself: its addresses, and what each of them answers."""

from __future__ import annotations

import asyncio
import hmac
import itertools
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from nksim import __version__
from nksim.errors import Fault, NksimError, UsageError
from nksim.output.charts import TITLES
from nksim.scale.memory import cores
from nksim.web import answers
from nksim.web.asked import LANGUAGES, MOST_DAYS, MOST_PATIENTS, Asked, parse, query, refuse
from nksim.web.guards import Door, Guard, Refusal, new_session
from nksim.web.jobs import Job, Jobs, wait
from nksim.web.words import chinese
from nksim.web.workers import Workers

# How long a view waits for its curves before it shows how far they are, and what each kind of work may take.
PATIENCE_S, QUICK_S, RUN_S, WRONG_TOKEN_S = 3.0, 15.0, 120.0, 1.0
MOST_UPLOADS = 20
_STATIC = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_STATUS = {"NK755": 413, "NK756": 503, "NK758": 503, "NK900": 500}


class Page:
    """One running page: its worker processes, the uploads it holds and the views it has answered."""

    def __init__(self, door: Door, *, processes: int | None = None) -> None:
        self.door = door
        self.quick, self.slow = Workers(1), Workers(processes or cores())
        self.overviews, self.runs = Jobs(self.quick), Jobs(self.slow)
        self.uploads: OrderedDict[str, bytes] = OrderedDict()
        self._calls = itertools.count()
        self.entries = answers.entries()
        self.downloads = answers.downloads()
        self.templates = Environment(
            loader=PackageLoader("nksim.web", "templates"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip

    def app(self) -> ASGIApp:
        """The ASGI application with everything that guards it."""
        static = [Route(f"/static/{name}", partial(_static, name)) for name in _STATIC]
        made = Starlette(
            routes=[
                *static,
                Route("/", self.home),
                Route("/regimen", self.view),
                Route("/progress", self.progress),
                Route("/cancel", self.cancel, methods=["POST"]),
                Route("/upload", self.upload, methods=["POST"]),
                Route("/download/{name}", self.download, methods=["GET", "POST"]),
                Route("/enter", self.enter, methods=["GET", "POST"]),
            ],
            exception_handlers={Refusal: self._refused, NksimError: self._wrong, HTTPException: self._missing},
            lifespan=self._life,
        )
        return Guard(made, self.door, lambda scope, refusal: self._refusal(Request(scope), refusal))

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        """Starts the processes, and ends them and what nobody waits for."""
        await asyncio.gather(self.quick.start(answers.entries), self.slow.start(answers.warm))
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            self.quick.close()
            self.slow.close()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.runs.abandon()

    # What is shown.

    async def home(self, request: Request) -> Response:
        """The catalogue, and a place to put one's own protocol."""
        return self._shown(request, "home.html", entries=self.entries)

    async def view(self, request: Request) -> Response:
        """Forms, calendar and curves of what the address asks for."""
        asked = self._asked(request)
        if not asked.regimens:
            return RedirectResponse(f"/?lang={asked.lang}", 303)
        looked = self._overview(asked)
        running = self._curves(asked)
        if not await wait(looked, QUICK_S + 5):
            raise UsageError("NK756", "the page is busy", help="try again in a minute")
        if looked.faults:
            raise NksimError(looked.faults)
        await wait(running, PATIENCE_S)
        return self._shown(
            request,
            "regimen.html",
            asked=asked,
            overview=looked.value,
            curves=running,
            link=query(asked),
            commands=asked.commands(),
            entries=self.entries,
            downloads=tuple(self.downloads),
            outputs=tuple(TITLES.items()),
            limits={"n": MOST_PATIENTS, "days": MOST_DAYS},
        )

    async def progress(self, request: Request) -> Response:
        """How far a run is, as JSON."""
        job = self.runs.get(request.query_params.get("key", ""))
        if job is None:
            raise UsageError("NK759", "there is no such run", help="show the page again")
        done, total = job.task.progress or (0, 0)
        return JSONResponse({"state": job.state, "done": done, "total": total})

    async def cancel(self, request: Request) -> Response:
        """Stops a run, and goes back to its view."""
        form = await self._form(request)
        job = self.runs.get(form.get("key", ""))
        if job is not None:
            job.task.stop.set()
            await wait(job, 5)
        return RedirectResponse(f"/regimen?{query(parse(form.get('view', '')))}", 303)

    async def upload(self, request: Request) -> Response:
        """Reads an uploaded protocol, keeps it under its hash in memory, and shows it."""
        async with request.form(max_files=1, max_fields=5) as form:
            self._check_form(request, form.get("csrf"))
            file = form.get("file")
            data = await file.read(answers.LARGEST_UPLOAD + 1) if isinstance(file, UploadFile) else b""
        if not data:
            raise UsageError("NK755", "no file was chosen", help="choose a protocol file, NAME.yaml")
        if len(data) > answers.LARGEST_UPLOAD:
            raise UsageError("NK755", "the file is too large", help="a protocol file has at most 1 MB")
        name = await self._quick("check", answers.check, data)
        self.uploads[name] = data
        self.uploads.move_to_end(name)
        while len(self.uploads) > MOST_UPLOADS:
            self.uploads.popitem(last=False)
        return RedirectResponse(f"/regimen?protocol={name}&lang={_language(request)}", 303)

    async def download(self, request: Request) -> Response:
        """One file; the patient's id comes in the body of a form and never in an address."""
        name = request.path_params["name"]
        if name not in self.downloads:
            raise HTTPException(404)
        asked, patient = self._asked(request), "P001"
        if request.method == "POST":
            patient = (await self._form(request)).get("id", "").strip() or patient
        if not asked.regimens:
            raise refuse("the address names no protocol", "choose one from the list")
        if name.startswith("calendar."):
            data = await self._quick(name, answers.download, name, asked, patient)
        else:
            job = self.runs.submit(f"{name}?{query(asked)}", answers.download, name, asked, seconds=RUN_S, reports=True)
            while not await wait(job, 5):
                self.runs.get(job.key)
            self.runs.forget(job)
            if job.faults:
                raise NksimError(job.faults)
            data = job.value
        headers = {"content-disposition": f'attachment; filename="nksim-{name}"'}
        return Response(data, media_type=self.downloads[name], headers=headers)

    async def enter(self, request: Request) -> Response:
        """Lets in whoever has the token."""
        if request.method == "GET" or self.door.token is None:
            return self._shown(request, "enter.html", wrong=False)
        form = await self._form(request)
        if not self.door.may_enter(form.get("token", "")):
            await asyncio.sleep(WRONG_TOKEN_S)
            return self._shown(request, "enter.html", 403, wrong=True)
        return self._with_session(RedirectResponse("/", 303), new_session(entered=True))

    # What they share.

    def _asked(self, request: Request) -> Asked:
        """The view asked for, with the uploads that it needs."""
        asked = parse(request.url.query)
        wanted = {r.protocol for r in asked.regimens} & self.uploads.keys()
        return replace(asked, files=tuple((name, self.uploads[name]) for name in sorted(wanted)))

    def _overview(self, asked: Asked) -> Job:
        return self.overviews.submit(query(asked), answers.overview, asked, seconds=QUICK_S, reports=False)

    def _curves(self, asked: Asked) -> Job:
        """The job of the curves; what does not change them does not ask for them again."""
        same = replace(asked, day0=None, tz=None, cells_at="10:00", weekends=False, ideal_weight=None, lang="en")
        return self.runs.submit(query(same), answers.curves, same, seconds=RUN_S, reports=True)

    async def _quick(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """The answer of a call that is nobody else's: what a form sent is never given to another."""
        job = self.overviews.submit(f"{name} {next(self._calls)}", call, *arguments, seconds=QUICK_S, reports=False)
        await job.done.wait()
        self.overviews.forget(job)
        if job.faults:
            raise NksimError(job.faults)
        return job.value

    async def _form(self, request: Request) -> dict[str, str]:
        """The fields of a form that this page made."""
        async with request.form(max_files=0, max_fields=10) as form:
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
        self._check_form(request, fields.get("csrf"))
        return fields

    def _check_form(self, request: Request, mark: object) -> None:
        session = request.scope.get("nksim.session")
        wanted = self.door.sign(f"form {session}") if session else ""
        if not wanted or not isinstance(mark, str) or not hmac.compare_digest(mark.encode(), wanted.encode()):
            raise Refusal(403, "the form is not this page's own, or it is old", "show the page again and send it anew")

    def _shown(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A template with what every page needs; text is always escaped."""
        lang = _language(request)
        session = request.scope.get("nksim.session") or new_session(entered=False)
        text = self.templates.get_template(template).render(
            _=chinese if lang == "zh" else str,
            lang=lang,
            languages=LANGUAGES,
            here=_without_language(request),
            version=__version__,
            csrf=self.door.sign(f"form {session}"),
            closed=self.door.token is not None,
            **values,
        )
        response = Response(text, status, media_type="text/html; charset=utf-8")
        if request.scope.get("nksim.session") is None:
            self._with_session(response, session)
        return response

    def _with_session(self, response: Response, session: str) -> Response:
        value = f"{session}.{self.door.sign(session)}"
        response.set_cookie(self.door.cookie, value, httponly=True, samesite="strict", path="/")
        return response

    async def _wrong(self, request: Request, error: Exception) -> Response:
        """The page of an error that is the input's: its codes and what would do."""
        assert isinstance(error, NksimError)
        status = next((_STATUS[f.code] for f in error.faults if f.code in _STATUS), 400)
        response = self._shown(request, "refused.html", status, faults=error.faults)
        if status == 503:
            response.headers["retry-after"] = "10"
        return response

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return self._refusal(request, error)

    def _refusal(self, request: Request, refusal: Refusal) -> Response:
        """The page of a request that goes no further; the connection is not used again."""
        faults = (Fault("NK754", refusal.message, help=refusal.help),)
        template = "enter.html" if refusal.status == 401 else "refused.html"
        response = self._shown(request, template, refusal.status, faults=faults, wrong=False)
        response.headers["connection"] = "close"
        return response

    async def _missing(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        known = {404: "there is no such page", 405: "this address is asked in another way"}
        fault = Fault(
            "NK759", known.get(error.status_code, "the request cannot be read"), help="start from the first page"
        )
        return self._shown(request, "refused.html", error.status_code, faults=(fault,))


async def _static(name: str, _: Request) -> Response:
    text = resources.files("nksim.web").joinpath("static", name).read_bytes()
    return Response(text, media_type=_STATIC[name])


def _language(request: Request) -> str:
    """The language that the address asks for; English where it names none that is known."""
    found = [value for name, value in parse_qsl(request.url.query[:20_000]) if name == "lang"]
    return found[-1] if found and found[-1] in LANGUAGES else "en"


def _without_language(request: Request) -> str:
    """This address as far as a link to it in another language may repeat it."""
    with suppress(NksimError, ValueError):
        asked = parse(request.url.query)
        if request.url.path == "/regimen" and asked.regimens:
            return "/regimen?" + query(replace(asked, lang="en"))
    return "/?"
