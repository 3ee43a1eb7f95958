"""A test double: an agent that speaks ACP and does what the words of a prompt say. No agent is behind it.

Words: `say TEXT`, `think TEXT`, `plan`, `tool`, `ask` (a permission), `ours` (a call of aetherd's), `file`, `command`,
`hold` (until it is cancelled), `deaf` (goes on though cancelled), `die N`, `garbage`, `long`, `limit`, `refuse`,
`late`. Whatever is not understood is said back. Everything it was sent is in the file `heard` of its directory.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

SESSION = "0b0e7f5c-2f6f-4c5b-9a53-6d1f5f0f5a11"
number = 100
cancelled = False


def write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def put(**message: Any) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}))


def hear() -> dict[str, Any]:
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    with Path("heard").open("a") as file:
        file.write(line)
    message: dict[str, Any] = json.loads(line)
    return message


def update(what: str, /, **facts: Any) -> None:
    put(method="session/update", params={"sessionId": SESSION, "update": {"sessionUpdate": what, **facts}})


def chunk(kind: str, text: str) -> None:
    update(f"agent_{kind}_chunk", content={"type": "text", "text": text})


def ask(method: str, **params: Any) -> dict[str, Any]:
    """Ask the client and return its whole answer."""
    global number, cancelled
    number += 1
    put(id=number, method=method, params={"sessionId": SESSION, **params})
    with Path("asked").open("a") as file:
        file.write(json.dumps({"id": number, "method": method}) + "\n")
    while True:
        message = hear()
        if message.get("id") == number and "method" not in message:
            return message
        cancelled |= message.get("method") == "session/cancel"


def permission(identity: str, **call: Any) -> str:
    options = [
        {"optionId": "cancel", "name": "Stop", "kind": "reject_once"},
        {"optionId": "always", "name": "Always", "kind": "allow_always"},
        {"optionId": "once", "name": "Once", "kind": "allow_once"},
        {"optionId": "no", "name": "No", "kind": "reject_once"},
    ]
    answer = ask("session/request_permission", toolCall={"toolCallId": identity, **call}, options=options)
    outcome = answer["result"]["outcome"]
    return str(outcome.get("optionId", outcome["outcome"]))


def do(verb: str, rest: str) -> str | dict[str, Any]:
    """Do one word; return the stop reason, or an error to answer the prompt with."""
    global cancelled
    match verb:
        case "say" | "think":
            for word in rest.split(" "):
                chunk("message" if verb == "say" else "thought", word + " ")
        case "plan":
            update("plan", entries=[{"content": "look", "priority": "high", "status": "completed"}])
        case "tool":
            update("tool_call", toolCallId="t1", title="read it", kind="read", status="pending", rawInput={"path": "x"})
            text = {"type": "content", "content": {"type": "text", "text": "its text"}}
            update("tool_call_update", toolCallId="t1", status="completed", content=[text])
        case "ask":
            chosen = permission("t2", title=f"run {rest}", kind="execute", rawInput={"command": rest})
            chunk("message", f"chosen {chosen}")
        case "ours":
            update("tool_call", toolCallId="t3", title="x", rawInput={"server": "aether", "tool": "aether_ping"})
            chunk("message", f"chosen {permission('t3')}")
        case "file":
            path = str(Path("noted.txt").absolute())
            ask("fs/write_text_file", path=path, content="one\ntwo\nthree\n")
            found = ask("fs/read_text_file", path=path, line=2, limit=1)["result"]["content"]
            missing = ask("fs/read_text_file", path="/nowhere/at/all")["error"]["code"]
            chunk("message", f"{found.strip()} {missing}")
        case "command":
            made = ask("terminal/create", command="sh", args=["-c", rest], outputByteLimit=10)["result"]
            ended = ask("terminal/wait_for_exit", **made)["result"]
            seen = ask("terminal/output", **made)["result"]
            ask("terminal/release", **made)
            chunk("message", json.dumps([ended, seen["output"], seen["truncated"]]))
        case "hold" | "deaf":
            chunk("message", "I hold ")
            while not cancelled or verb == "deaf":
                cancelled |= hear().get("method") == "session/cancel"
        case "die":
            os.write(2, b"its last words\n")
            os._exit(int(rest))
        case "garbage":
            write("no JSON at all")
            write("[" * 100_000)
            put(id=99_999, result={})
            put(method="$/cancel_request", params={"requestId": [{}]})
        case "long":
            write("x" * (33 << 20))
        case "limit":
            return {"code": -32603, "message": "usage limit reached", "data": {"details": "try again in 2h 5m"}}
        case "refuse":
            return "refusal"
        case _:
            chunk("message", f"you said: {verb} {rest}".strip())
    return "cancelled" if cancelled else "end_turn"


def prompt(message: dict[str, Any]) -> None:
    global cancelled
    cancelled = False
    for line in message["params"]["prompt"][-1]["text"].splitlines():
        stop = do(*line.partition(" ")[::2])
        if stop != "end_turn":
            break
    if isinstance(stop, dict):
        put(id=message["id"], error=stop)
    else:
        usage = {"inputTokens": 13, "outputTokens": 5, "totalTokens": 18, "cachedReadTokens": 3}
        put(id=message["id"], result={"stopReason": stop, "usage": usage})


def main() -> None:
    """Serve until the input ends."""
    if "silent" in sys.argv:
        while True:
            hear()
    while True:
        message = hear()
        match message.get("method"):
            case "initialize":
                can = {"loadSession": "forgetful" not in sys.argv}
                put(id=message["id"], result={"protocolVersion": 1, "agentCapabilities": can})
            case "session/new" | "session/load" as method:
                if method == "session/load":
                    chunk("message", "an old text")
                modes = [{"id": "auto", "name": "Auto"}, {"id": "careful", "name": "Careful"}]
                state = {"modes": {"currentModeId": "auto", "availableModes": modes}}
                put(id=message["id"], result=state | ({"sessionId": SESSION} if method == "session/new" else {}))
            case "session/prompt":
                prompt(message)
            case str() if "id" in message:
                put(id=message["id"], result={})


if __name__ == "__main__":
    main()
