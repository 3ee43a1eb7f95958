"""A test double of the aether MCP server on stdio: two tools, `aether_echo` and `aether_ask` (elicits)."""

import json
import os
import sys
from typing import Any

TOOLS = [
    {"name": "aether_echo", "description": "Echo a text.", "inputSchema": {"type": "object"}},
    {"name": "aether_ask", "description": "Ask the person.", "inputSchema": {"type": "object"}},
]


def send(message: dict[str, Any]) -> None:
    """Write one message."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def call(name: str, arguments: dict[str, Any]) -> str:
    """Run a tool; the token in the environment shows that it arrived there."""
    if name == "aether_echo":
        return f"{arguments.get('text')} from {os.environ.get('AETHER_TOKEN')}"
    form = {"type": "object", "properties": {"name": {"type": "string"}}}
    send({"id": "e1", "method": "elicitation/create", "params": {"message": "name?", "requestedSchema": form}})
    return json.dumps(json.loads(sys.stdin.readline())["result"], sort_keys=True)


def main() -> None:
    """Answer requests until the input ends."""
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request or "method" not in request:
            continue
        result: dict[str, Any]
        match request["method"]:
            case "initialize":
                info = {"name": "aether-double", "version": "1"}
                result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/list":
                result = {"tools": TOOLS}
            case "tools/call":
                text = call(request["params"]["name"], request["params"]["arguments"])
                result = {"content": [{"type": "text", "text": text}]}
            case method:
                send({"id": request["id"], "error": {"code": -32601, "message": f"no {method}"}})
                continue
        send({"id": request["id"], "result": result})


if __name__ == "__main__":
    main()
