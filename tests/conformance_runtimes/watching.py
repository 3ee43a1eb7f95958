"""A subscriber on the WebSocket: the events of the log, and the text of an agent while it is written."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.e2e.daemon_lab import PACE_S, Daemon

Heard = dict[str, Any]


class Watcher:
    """Follows everything, over restarts of the daemon; what it heard has its wall clock in `came`."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._heard: list[Heard] = []
        self._newest = 0
        self._changed = threading.Condition()
        self._over = False
        self._subscribed = False
        self._socket: ClientConnection | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watcher:
        """Follow; returns when it is connected."""
        self._thread.start()
        with self._changed:
            assert self._changed.wait_for(lambda: self._subscribed, 30), "no socket"
        return self

    def __exit__(self, *_: object) -> None:
        """Stop following."""
        self._over = True
        if self._socket is not None:
            self._socket.close()
        self._thread.join(10)

    @property
    def mark(self) -> int:
        """Where the newest is; what comes after is new."""
        with self._changed:
            return len(self._heard)

    def since(self, mark: int, *types: str, pid: int | None = None) -> list[Heard]:
        """Return what came since then of these types: of events, or the kinds of frames."""
        with self._changed:
            return [
                one
                for one in self._heard[mark:]
                if (not types or one["type"] in types) and pid in (None, one.get("pid"))
            ]

    def wait(self, mark: int, met: Callable[[Heard], bool], timeout: float, what: str) -> Heard:
        """Wait until something has come for which it holds, and return the first."""
        found: list[Heard] = []
        seen = mark

        def look() -> bool:
            nonlocal seen
            found.extend(one for one in self._heard[seen:] if met(one))
            seen = len(self._heard)
            return bool(found)

        with self._changed:
            assert self._changed.wait_for(look, timeout), f"{what} did not come within {timeout:g} s"
        return found[0]

    def _run(self) -> None:
        while not self._over:
            try:
                self._follow()
            except (OSError, WebSocketException):
                time.sleep(PACE_S)  # noqa: TID251 - the daemon is away; try again

    def _follow(self) -> None:
        address = f"ws://127.0.0.1:{self._daemon.port}/v1/ws"
        headers = {"Authorization": f"Bearer {self._daemon.token}"}
        with connect(address, additional_headers=headers, max_size=None, proxy=None) as self._socket:
            self._socket.send(json.dumps({"type": "subscribe", "since": self._newest, "frames": True}))
            for raw in self._socket:
                message = json.loads(raw)
                came = time.time()
                with self._changed:
                    self._subscribed |= message["type"] == "subscribed"
                    if message["type"] == "events":
                        self._heard += [{**event, "came": came} for event in message["events"]]
                        self._newest = max(self._newest, *(event["id"] for event in message["events"]))
                    elif message["type"] == "frame":
                        self._heard.append({**message, "type": message["kind"], "came": came})
                    self._changed.notify_all()
