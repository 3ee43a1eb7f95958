"""The server: its script, its log, and who waits for what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from tests.model_api.handler import Handler, Server
from tests.model_api.request import Request
from tests.model_api.script import Script, holds

HOLD_LIMIT_S = 60.0
JSON_ANSWER = (
    '{"reasoning": "scripted", "next_speaker": "user", "model_choice": "flash", "complexity_score": 1,'
    ' "complexity_reasoning": "scripted"}'
)


class ModelApi:
    """The server in a thread of its own; `url` is what ANTHROPIC_BASE_URL wants."""

    def __init__(self, script: Script | None = None, *, port: int = 0) -> None:
        self._changed = threading.Condition()
        self._log: list[Request] = []
        self._released: set[str] = set()
        self._over = False
        self._script: Script = {}
        self._next_step = 0
        self._uses: dict[int, int] = {}
        self.use(script or {})
        self._server = Server(("127.0.0.1", port), Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> list[Request]:
        """The requests for an answer of the model so far, without the side ones."""
        with self._changed:
            return self._main()

    @property
    def log(self) -> list[Request]:
        """Every request so far."""
        with self._changed:
            return list(self._log)

    def __enter__(self) -> ModelApi:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, letting go of everything held."""
        self.stop()

    def stop(self) -> None:
        """Stop serving."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def use(self, script: Script) -> None:
        """Replace the script; sequences and holds start afresh."""
        with self._changed:
            self._script, self._next_step, self._uses = script, 0, {}
            self._released = set()

    def release(self, name: str) -> None:
        """Let everything go on that waits, or will wait, at the hold of this name."""
        with self._changed:
            self._released.add(name)
            self._changed.notify_all()

    def wait_for(self, met: Callable[[list[Request]], bool], timeout: float = 20) -> list[Request]:
        """Wait until `met(requests)` and return them."""
        with self._changed:
            if not self._changed.wait_for(lambda: met(self._main()), timeout):
                raise TimeoutError(f"not met within {timeout} s; {len(self._main())} requests came")
            return self._main()

    def wait_for_request(self, number: int, timeout: float = 20) -> Request:
        """Wait for the number-th main request (from 1) and return it."""
        return self.wait_for(lambda requests: len(requests) >= number, timeout)[number - 1]

    # What the handler asks ---------------------------------------------------------------------------

    @property
    def models(self) -> list[str]:
        """The names that are listed."""
        return list(self._script.get("models") or ["claude-test-double"])

    def admits(self, request: Request) -> bool:
        """Say whether it brings the key of the script, if that has one."""
        return self._script.get("key") in (None, request.key)

    def note(self, request: Request) -> None:
        """Log a request."""
        with self._changed:
            self._log.append(request)
            self._changed.notify_all()

    def notify(self) -> None:
        """Wake who waits on the log."""
        with self._changed:
            self._changed.notify_all()

    def held(self, name: str) -> bool:
        """Wait for `release(name)`; False when the server stops first."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or name in self._released, HOLD_LIMIT_S)
            return not self._over

    def nap(self, seconds: float) -> None:
        """Wait that long, or until the server stops."""
        if seconds > 0:
            with self._changed:
                self._changed.wait_for(lambda: self._over, seconds)

    def is_side(self, request: Request) -> bool:
        """Say whether the request is not part of the conversation."""
        asked = request.conversation
        return asked.wants_json or (not asked.tools and self._script.get("side") is not False)

    def answer(self, request: Request) -> dict[str, Any]:
        """Choose the step that answers."""
        with self._changed:
            script = self._script
            if request.conversation.wants_json:
                return {"reply": [{"text": JSON_ANSWER}]}
            if request.side:
                return cast("dict[str, Any]", script.get("side") or {"reply": [{"text": "side"}]})
            for number, rule in enumerate(script.get("rules", [])):
                used = self._uses.get(number, 0)
                if used < rule.get("times", 1 << 30) and holds(rule.get("when"), request):
                    self._uses[number] = used + 1
                    return cast("dict[str, Any]", rule)
            steps = script.get("steps", [])
            for number in range(self._next_step, len(steps)):
                if holds(steps[number].get("when"), request):
                    self._next_step = number + 1
                    return cast("dict[str, Any]", steps[number])
            return cast("dict[str, Any]", script.get("default") or {"reply": [{"text": "ok"}]})

    def dump(self) -> list[dict[str, Any]]:
        """Return the log as JSON."""
        return [
            {
                "at": r.at,
                "path": r.path,
                "dialect": r.dialect,
                "side": r.side,
                "first_byte_at": r.first_byte_at,
                "ended_at": r.ended_at,
                "cut": r.cut,
                "model": r.conversation.model,
                "tools": r.tools,
                "said": r.said,
                "tool_results": r.tool_results,
                "body": r.body,
                "answered": r.answered,
            }
            for r in self.log
        ]

    def _main(self) -> list[Request]:
        return [request for request in self._log if request.main]
