"""A step of kind model: one question, answered by a run of a runtime that has a model, with the caller's rights."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, cast

import anyio

from aetherd.core.errors import Unavailable
from aetherd.kernel.skill.ports import Processes
from aetherd.operations.dispatch import Dispatcher
from aetherd.operations.operation import Call

RUNTIME = "claude-code"
ALONE = "Answer this in text alone and use no tool: your answer is taken as it is."
END_S = 5.0  # most that an unfinished run is waited for to be cut off


async def ask(
    dispatcher: Dispatcher, processes: Processes, call: Call, goal: str, model: str | None, timeout_s: float
) -> str:
    """Return what the model answered; the run and what it cost are in the list of processes, under the caller."""
    wish = {"runtime": RUNTIME, "goal": f"{ALONE}\n\n{goal}", "role": "answers a question of a skill", "model": model}
    run = cast(Any, await dispatcher.invoke("process.spawn", wish, call))
    came: Any = None
    try:
        parts = await dispatcher.invoke("process.wait", {"pid": run.pid, "timeout_s": timeout_s}, call)
        async with aclosing(cast(Any, parts)):
            async for part in cast(Any, parts):
                came = part
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(END_S):
            if came is None or came.outcome == "running":
                await dispatcher.invoke("process.interrupt", {"pid": run.pid}, call)
        processes.dismiss(run.pid)
    if came.outcome != "completed":
        why = "no answer in time" if came.outcome == "running" else came.error or came.outcome
        raise Unavailable(f"the model did not answer (process {run.pid}): {why}", pid=run.pid)
    return str(came.text or "")
