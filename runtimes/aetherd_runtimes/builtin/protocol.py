"""What the builtin agent and aetherd say to each other: one JSON object per line on stdin and stdout.

The bridges to other agents (`aetherd_runtimes.bridge`) speak the same lines.

In (an `id` is obeyed at most once; anything else is answered by `trouble`):
    {"type": "say", "id": "m1", "text": "…", "priority": "now" | "next" | "queue"}
        `next` (the default) reaches the model at the next tool boundary, `now` stops the current step first,
        `queue` waits for the turn to end. The first say is the goal; a script in `wait message` hears all.
    {"type": "interrupt", "id": "i1"}
        Stop the turn, keep the process. Nothing happens when no turn runs.
    {"type": "answer", "request": "r1", "allow": true, "for_run": false, "reason": null}
        A person's answer to `permission_asked`; one that nobody waits for any more is left out.

Out, in the words of `aetherd.runtime`:
    {"type": "session", "session": "…", "model": "…", "tools_connected": true | null, "version": "…",
     "permission_mode": "…" | null}
    {"type": "turn_started"}
    {"type": "thought", "text": "…"}
    {"type": "text", "text": "…", "interrupted": false}
    {"type": "delta", "kind": "text" | "thought", "text": "…"}
    {"type": "told", "id": "m1", "text": "…"}                       the say reached the model
    {"type": "tool_called", "id": "…", "tool": "…", "input": {…}}
    {"type": "tool_returned", "id": "…", "text": "…", "is_error": false}
    {"type": "used", "input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0,
     "cost_usd": 0.0, "model": "…"}
    {"type": "turn_ended", "outcome": "completed" | "failed" | "interrupted" | "limited", "text": "…",
     "error": null, "resets_at": null}
    {"type": "trouble", "text": "…"}
    {"type": "permission_asked", "request": "r1", "tool": "…", "input": {…}, "title": "…", "tool_call": "…" | null}
    {"type": "permission_closed", "request": "r1"}                  nobody waits for its answer any more

End: when stdin closes the running turn and what is queued are finished, then it exits 0; so it does after
`idle_exit_s` without a word. SIGTERM exits 143 at once.

Settings of the builtin agent, an optional JSON file named by the only argument: `loop.Settings`. Environment:
AETHER_SOCKET and AETHER_TOKEN (without a socket the agent has no tools of aetherd).
"""

from __future__ import annotations

import json
import os
from typing import Any

TEXT_LIMIT = 20_000


def bounded(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return the text in at most `limit` characters, its middle cut out and said so."""
    if len(text) <= limit:
        return text
    half = (limit - 60) // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


class Mouth:
    """Writes the lines; a line is out when `emit` returns."""

    def __init__(self, fd: int = 1) -> None:
        self._fd = fd

    def emit(self, word: str, /, **facts: Any) -> None:
        """Write one object; blocks while the reader is full."""
        rest = json.dumps({"type": word, **facts}, separators=(",", ":")).encode() + b"\n"
        while rest:
            rest = rest[os.write(self._fd, rest) :]
