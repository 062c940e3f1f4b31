"""`nksim serve`: the local web page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nksim.cli import options
from nksim.errors import UsageError, shorten

if TYPE_CHECKING:
    import socket


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Elsewhere than on loopback a token is asked for.")
@click.option(
    "--name", "names", multiple=True, metavar="NAME", help="Another name of this machine, with --host. Repeatable."
)
@click.option("--workers", type=click.IntRange(1, 64), metavar="N", help="Processes; all processors unless given.")
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
def serve(port: int, host: str, names: tuple[str, ...], workers: int | None, opens: bool) -> None:
    """A page on this machine: choose a protocol, fill in a patient, see calendar and curves change.

    Nothing leaves the machine, and nothing about patients is written anywhere. Stop it with Ctrl-C.
    """
    import secrets

    try:
        from nksim.web.server import run
    except ModuleNotFoundError as error:
        raise UsageError("NK750", f"the page needs {error.name}", help="pip install 'nksim[web]'") from None
    from nksim.output.charts import library
    from nksim.web.guards import LOOPBACK, Door

    library()
    held = _socket(host, port)
    port = held.getsockname()[1]
    local = host in ("127.0.0.1", "::1", "localhost")
    if names and local:
        raise click.UsageError("--name goes with --host")
    token = None if local else secrets.token_urlsafe(24)
    door = Door(port, (*LOOPBACK, *(name.lower() for name in (() if local else (host, *names)))), not local, token)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else shown}:{port}/"
    if token is not None:
        options.talk("warning[NK751]: others on the network can reach this page, unencrypted; they need this token")
        options.talk(f"token: {token}")

    def ready() -> None:
        options.talk(f"nksim is at {address} (Ctrl-C ends it)")
        if opens:
            import webbrowser

            webbrowser.open(address)

    run(held, door, processes=workers, ready=ready)


def _socket(host: str, port: int) -> socket.socket:
    """A socket that listens there; raises `UsageError` NK751 where it cannot."""
    import socket

    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise UsageError(
            "NK751", f"cannot listen at {shorten(host)}, port {port}: {error.strerror}", help="try --port 0"
        ) from None
