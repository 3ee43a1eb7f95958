"""A double of OpenClaw's program, for the protocol: `gateway run --port N` and `tui`. No model and no Node behind it.

It answers as OpenClaw 2026.9.6 was seen to. What a text says decides what its run does: `say X`, `run X` (asks first),
`hold` (until it is steered or aborted), `later` (taken in, and told by a later run), `secret`, `bill`, `die`, `fail`,
`drop` (hangs up). The conversation is kept in its state directory, and who was billed too.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from websockets.sync.server import ServerConnection, serve

STATE = Path(os.environ["OPENCLAW_STATE_DIR"])
CONFIG = Path(os.environ["OPENCLAW_CONFIG_PATH"])
LOG = STATE / "requests.jsonl"


class Gateway:
    """One gateway; the last connection hears the events."""

    def __init__(self) -> None:
        STATE.mkdir(parents=True, exist_ok=True)
        self.token = os.environ["OPENCLAW_GATEWAY_TOKEN"]
        self.config = json.loads(CONFIG.read_text())
        self.provider = next(iter(self.config["models"]["providers"]))
        self.lock = threading.Lock()
        self.starting = True
        self.socket: ServerConnection | None = None
        self.key = ""
        self.held: str | None = None  # the run that goes on
        self.asked: dict[str, tuple[str, str]] = {}
        self.notes: list[tuple[str, str]] = []  # for the run that waits for leave

    # What was kept -------------------------------------------------------------------------------------

    def kept(self) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in (STATE / "kept.jsonl").read_text().splitlines()]
        except OSError:
            return []

    def keep(self, message: dict[str, Any]) -> None:
        message.setdefault("timestamp", time.time() * 1000)
        with (STATE / "kept.jsonl").open("a") as file:
            file.write(json.dumps(message) + "\n")
        self.event("session.message", message=message)

    # What it says --------------------------------------------------------------------------------------

    def event(self, name: str, **payload: Any) -> None:
        if self.socket is not None:
            frame = {"type": "event", "event": name, "payload": {"sessionKey": self.key, **payload}}
            with self.lock:
                self.socket.send(json.dumps(frame))

    def agent(self, run: str, stream: str, **data: Any) -> None:
        self.event("agent", runId=run, stream=stream, data=data)

    def chat(self, run: str, state: str, **more: Any) -> None:
        self.event("chat", runId=run, state=state, **more)

    def say(self, run: str, text: str, *calls: dict[str, Any]) -> None:
        for part in (text[: len(text) // 2], text[len(text) // 2 :]):
            if part:
                self.agent(run, "assistant", delta=part)
        blocks = [{"type": "text", "text": text}] if text else []
        usage = {"input": 100, "output": 20, "cacheRead": 3, "cacheWrite": 4}
        self.keep({"role": "assistant", "content": [*blocks, *calls], "usage": usage, "model": "m", "provider": "p"})

    def final(self, run: str, text: str) -> None:
        self.chat(run, "final", message={"role": "assistant", "content": [{"type": "text", "text": text}]})

    def tell(self, run: str, text: str) -> None:
        self.chat(run, "status", phase="preparing_context")
        self.keep({"role": "user", "content": text, "idempotencyKey": f"{run}:user"})
        self.agent(run, "lifecycle", phase="start")

    # What it does --------------------------------------------------------------------------------------

    def send(self, run: str, text: str, mode: str) -> None:
        billed = STATE / f"billed-{self.provider}"
        if self.held is not None and mode == "steer":
            target, self.held = self.held, None
            self.chat(run, "final")  # without a message: it was taken into the run that goes on
            self.keep({"role": "user", "content": text, "idempotencyKey": f"{run}:user"})
            self.say(target, f"steered by {text}")
            self.final(target, f"steered by {text}")
            return
        if text == "later":
            self.chat(run, "final")
            self.chat("other", "status", phase="preparing_context")
            self.keep({"role": "user", "content": text, "idempotencyKey": f"{run}:user"})
            self.say("other", "told later")
            self.final("other", "told later")
            return
        self.tell(run, text)
        word, _, rest = text.partition(" ")
        if billed.exists():
            self.fail(run, "Inline API key is temporarily disabled after a provider auth/billing failure.")
        elif word == "run":
            self.run(run, rest)
        elif word == "hold":
            self.held = run
            self.agent(run, "assistant", delta="begin")
        elif word == "secret":
            call = {"type": "toolCall", "id": "c1", "name": "aether__x", "arguments": {"key": "k-1"}}
            self.say(run, "", call)
            self.agent(run, "tool", phase="start", name="aether__x", toolCallId="c1", args={"key": "***"})
            result = {"content": [{"type": "text", "text": "stored"}, {"type": "image", "data": "…"}]}
            self.agent(run, "tool", phase="result", name="aether__x", toolCallId="c1", result=result, isError=False)
            self.say(run, "done")
            self.final(run, "done")
        elif word == "bill":
            billed.touch()
            detail = {"failoverReason": "billing", "httpStatus": 402, "providerErrorMessagePreview": "budget spent"}
            self.fail(run, "your API key has run out of credits", errorDetail=detail)
        elif word == "limit":
            detail = {"failoverReason": "rate_limit", "httpStatus": 429, "providerErrorMessagePreview": "slow down"}
            self.fail(run, "rate limit", errorDetail=detail)
        elif word == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif word == "drop":
            assert self.socket is not None
            self.socket.close()
        else:
            self.agent(run, "thinking", delta="hm")
            self.say(run, f"answer to {text}")
            self.final(run, f"answer to {text}")
            self.chat("inject-1", "final", message={"role": "assistant", "content": [{"type": "text", "text": "note"}]})

    def fail(self, run: str, error: str, **more: Any) -> None:
        self.chat(run, "error", errorMessage=error, **more)
        self.chat(run, "error", errorMessage=f"Agent failed before reply: {error}")  # it tells so twice

    def run(self, run: str, command: str) -> None:
        call = f"call-{command}"
        self.say(run, "", {"type": "toolCall", "id": call, "name": "exec", "arguments": {"command": command}})
        self.agent(run, "tool", phase="start", name="exec", toolCallId=call, args={"command": command})
        self.asked[f"ask-{command}"] = run, call
        request = {"command": command, "cwd": "/work", "sessionKey": self.key, "runId": run, "toolCallId": call}
        self.event("exec.approval.requested", id=f"ask-{command}", request=request)

    def resolve(self, identity: str, decision: str) -> None:
        run, call = self.asked.pop(identity)
        self.event("exec.approval.resolved", id=identity, decision=decision, request={"sessionKey": self.key})
        denied = decision != "allow-once"
        result = {"content": [{"type": "text", "text": "Exec denied" if denied else "output"}]}
        self.agent(run, "tool", phase="result", name="exec", toolCallId=call, result=result, isError=denied)
        for note, text in self.notes:
            self.keep({"role": "user", "content": text, "idempotencyKey": f"{note}:user"})
        last = " ".join(["done", *(text for _, text in self.notes)])
        self.notes.clear()
        self.say(run, last)
        self.final(run, last)

    def abort(self) -> None:
        if self.held is not None:
            run, self.held = self.held, None
            message = {"role": "assistant", "content": [{"type": "text", "text": "begin"}]}
            self.chat(run, "aborted", message=message)
            self.keep({**message, "provider": "openclaw", "usage": {}})

    # The protocol --------------------------------------------------------------------------------------

    def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "sessions.messages.subscribe":
            self.key = params["key"]
        elif method == "chat.history":
            return {"messages": self.kept(), "sessionInfo": {"activeRunIds": [self.held] if self.held else []}}
        elif method == "chat.abort":
            self.abort()
        elif method == "exec.approval.resolve":
            self.resolve(params["id"], params["decision"])
        elif method == "chat.send":
            run = params["idempotencyKey"]
            if params["queueMode"] == "interrupt":
                self.abort()  # before it answers
            if self.asked and params["queueMode"] == "steer":
                self.notes.append((run, params["message"]))
                self.chat(run, "final")
            else:
                threading.Timer(0.01, self.send, (run, params["message"], params["queueMode"])).start()
            return {"runId": run, "status": "started"}
        return {}

    def serve(self, socket: ServerConnection) -> None:
        socket.send(json.dumps({"type": "event", "event": "connect.challenge", "payload": {"nonce": "n"}}))
        for frame in socket:
            message = json.loads(frame)
            method, params = message["method"], message["params"]
            with LOG.open("a") as file:
                file.write(json.dumps({"method": method, "params": params, "provider": self.provider}) + "\n")
            answer: dict[str, Any] = {"type": "res", "id": message["id"], "ok": True}
            if method == "connect":
                starting, self.starting = self.starting, False
                error = {"code": "UNAVAILABLE", "message": "gateway starting; retry shortly", "retryable": True}
                known = params["auth"]["token"] == self.token and "exec-approvals" in params["caps"]
                answer |= {"ok": False, "error": error} if starting else {"ok": known, "payload": {"server": VERSION}}
                self.socket = socket
            else:
                answer["payload"] = self.answer(method, params)
            with self.lock:
                socket.send(json.dumps(answer))


VERSION = {"version": "2026.9.6"}


def show() -> None:
    """Stand for OpenClaw's terminal: one turn is said in it, then it waits to be ended."""
    assert re.fullmatch(r"\d+", os.environ["OPENCLAW_GATEWAY_PORT"])
    assert "OPENCLAW_GATEWAY_TOKEN" in os.environ
    with (STATE / "kept.jsonl").open("a") as file:
        about = {"transport": {"clients": [{"id": "openclaw-tui", "mode": "ui"}]}}
        now = time.time() * 1000
        said = {"role": "user", "content": "typed", "idempotencyKey": "x:user", "__openclaw": about, "timestamp": now}
        block = {"type": "text", "text": "seen"}
        file.write(json.dumps(said) + "\n")
        file.write(
            json.dumps({"role": "assistant", "content": [block], "usage": {"input": 5}, "timestamp": now}) + "\n"
        )
    sys.stdout.write("gateway connected\r\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    if "tui" in sys.argv:
        show()
    elif (STATE / "refuse").exists():
        sys.stderr.write("openclaw.json is wrong\n")
        sys.exit(78)
    else:
        gateway = Gateway()
        with serve(gateway.serve, "127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])) as server:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            server.serve_forever()
