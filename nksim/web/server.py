"""The HTTP server around the page: small limits, no log of requests, no patience with slow headers."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from nksim.web.guards import Door
from nksim.web.page import Page

HEADER_S, IDLE_S, MOST_CONNECTIONS, LONGEST_HEADER = 10.0, 15, 300, 32_768


class Impatient(H11Protocol):
    """HTTP/1.1 that closes a connection whose request does not come whole in time."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self._wait_for_header()

    def data_received(self, data: bytes) -> None:
        """Goes on waiting while a header is not whole."""
        super().data_received(data)
        self._wait_for_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits for nothing more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_header(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._late is None:
            self._late = self.loop.call_later(HEADER_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class _Server(uvicorn.Server):
    """Says when the page can be opened."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts as usual, then says so."""
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()


def run(held: socket.socket, door: Door, *, processes: int | None, ready: Callable[[], None]) -> None:
    """Serves the page on a listening socket until it is interrupted."""
    # Without a handler Python prints what libraries warn of, and their words could hold what users sent.
    logging.getLogger().addHandler(logging.NullHandler())
    config = uvicorn.Config(
        Page(door, processes=processes).app(),
        http=Impatient,
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=LONGEST_HEADER,
    )
    # Ctrl-C is how it ends.
    with suppress(KeyboardInterrupt):
        _Server(config, ready).run([held])
