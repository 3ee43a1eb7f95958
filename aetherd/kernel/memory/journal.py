"""The journal: what aetherd itself notes of each run, in the transaction in which the run ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from aetherd.core.ids import new_id
from aetherd.core.texts import one_line
from aetherd.kernel.memory import rows
from aetherd.kernel.memory.events import MemoryForgotten, MemoryRemembered
from aetherd.kernel.memory.ports import Run
from aetherd.kernel.memory.scopes import Place
from aetherd.store import Tx

TAG = "journal"
OUTCOMES = ("running", "completed", "failed", "killed", "limited")
HOUSE_TAGS = {TAG, *OUTCOMES, "reflection", "demo"}  # written by the house itself: they say nothing of the subject
KEPT = 200  # newest of one agent
IMPORTANCE = 0.1
GOAL, RESULT = 400, 800  # characters


def note(tx: Tx, run: Run) -> None:
    """Note a run that has ended; one that was given no goal and said nothing leaves nothing to note."""
    if run.pid is None or not (run.goal or run.result):
        return
    ended = run.exited_at or run.created_at
    key = new_id("memory")
    rows.insert(
        tx.cursor,
        {
            "id": key,
            "content": text(run),
            "layer": "episodic",
            "namespace": "agent",
            "tags": rows.packed([TAG, run.outcome]),
            "scope": Place("agent", run.agent).journals,
            "importance": IMPORTANCE,
            "agent": run.agent,
            "user": run.user,
            "org": run.org,
            "created_at": ended,
            "created_by": "system",
            "journal": run.pid,
        },
    )
    # Without the pid: a timeline tells what the process did, and ends with its exit.
    tx.emit(MemoryRemembered(agent=run.agent, memory=key, namespace="agent", layer="episodic"))
    old = tx.execute(
        "SELECT seq, id FROM memory WHERE agent = ? AND journal IS NOT NULL ORDER BY journal DESC LIMIT -1 OFFSET ?",
        (run.agent, KEPT),
    ).fetchall()
    for seq, gone in old:
        tx.execute("DELETE FROM memory WHERE seq = ?", (seq,))
        tx.emit(MemoryForgotten(agent=run.agent, memory=gone, namespace="agent"))


def text(run: Run) -> str:
    """Say in a few lines what a run was for and what came of it."""
    said = f"Run {run.pid} ({run.runtime}) {_outcome(run)}"
    took = _took(run.started_at, run.exited_at)
    facts = [f"after {took}"] if took else []
    if run.cost_usd:
        facts.append(f"for ${run.cost_usd:.4f}")
    lines = [" ".join([said, *facts]) + (f": {one_line(run.error, RESULT)}" if run.error else "")]
    if run.goal:
        lines.append(f"Goal: {one_line(run.goal, GOAL)}")
    if run.result:
        lines.append(f"Result: {one_line(run.result, RESULT)}")
    return "\n".join(lines)


def _outcome(run: Run) -> str:
    return {"killed": "was ended", "running": "ended in the midst of it"}.get(run.outcome, run.outcome)


def _took(begun: str | None, ended: str | None) -> str:
    """Return a duration in whole seconds, as in `0:02:10`; empty when it was never started."""
    if begun is None or ended is None:
        return ""
    span = datetime.fromisoformat(ended) - datetime.fromisoformat(begun)
    return str(timedelta(seconds=round(max(0.0, span.total_seconds()))))
