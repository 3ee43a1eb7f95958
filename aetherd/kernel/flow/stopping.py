"""The processes of flows: what they may start, what they cost, and that none goes on when its step does not."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio
from sqlmodel import Session

from aetherd.core.errors import AetherError, Conflict, Exhausted
from aetherd.core.ids import new_id
from aetherd.kernel.flow.ports import Approvals, Processes
from aetherd.kernel.flow.record import Row
from aetherd.kernel.flow.watch import Watch
from aetherd.operations.dispatch import Dispatcher
from aetherd.operations.operation import Call
from aetherd.store import Store, Tx
from aetherd.store.rows import bare, fetch

logger = logging.getLogger(__name__)

AGAIN_S = 30.0  # between looks at processes that shall end and have not
KILLS = 8  # at a time

BOUNDS = (
    "SELECT p.flow, p.step, p.depth, s.state, s.max_workers, s.max_depth, s.budget, f.budget AS flow_budget, "
    "f.ended_at FROM flow_process p JOIN flow f ON f.id = p.flow "
    "JOIN flow_step s ON s.flow = p.flow AND s.path = p.step WHERE p.pid = ?"
)
UNDONE = (
    "SELECT DISTINCT p.pid, p.wish, f.user, f.org FROM flow_process p JOIN flow f ON f.id = p.flow "
    "WHERE p.wish != '' AND p.gone = 0"
)


class Stopping:
    """Knows which process belongs to which step."""

    def __init__(
        self, store: Store, dispatcher: Dispatcher, process: Processes, approval: Approvals, watch: Watch
    ) -> None:
        self._store, self._dispatcher, self._processes = store, dispatcher, process
        self._approvals, self._watch = approval, watch
        self._news = anyio.Event()

    # What may be started ------------------------------------------------------------------------------

    def gate(self, tx: Tx, pid: int, call: Call) -> None:
        """Look at every new process: one that a flow's process starts belongs to that flow, and keeps its bounds."""
        if call.pid is None:
            return
        for row in fetch(tx.execute(BOUNDS, (call.pid,))):
            if row["ended_at"] is not None or row["state"] != "running":
                raise Conflict(f"step {row['step']} of flow {row['flow']} has ended; it starts nothing any more")
            self._within(tx, row)
            tx.execute(
                "INSERT OR IGNORE INTO flow_process (pid, flow, step, depth, reserved, wish, gone) "
                "VALUES (?, ?, ?, ?, 0, '', 0)",
                (pid, row["flow"], row["step"], row["depth"] + 1),
            )
            tx.after(lambda lead=call.pid: self._watch.works_for(pid, lead))  # type: ignore[misc]

    def _within(self, tx: Tx, row: Row) -> None:
        where = f"step {row['step']} of flow {row['flow']}"
        if row["max_workers"] is not None:
            (count,) = tx.execute(
                "SELECT count(*) FROM flow_process WHERE flow = ? AND step = ? AND depth > 0",
                (row["flow"], row["step"]),
            ).fetchone()
            if count >= row["max_workers"]:
                raise Exhausted(f"{where} may start {row['max_workers']} workers, and has", most=row["max_workers"])
        if row["max_depth"] is not None and row["depth"] >= row["max_depth"]:
            raise Exhausted(
                f"{where}: workers may be {row['max_depth']} deep; this one starts none", most=row["max_depth"]
            )
        if row["budget"] is not None and self._cost_in(tx, row["flow"], row["step"]) >= row["budget"]:
            raise Exhausted(f"{where} has spent its {row['budget']:g} USD", budget=row["budget"])
        if row["budget"] is None:  # else it is set aside already
            self.room_in(tx, row["flow"], row["flow_budget"], 0.0)

    def room_in(self, tx: Tx, flow: str, budget: float | None, wanted: float) -> None:
        """Refuse what could cost a flow more than it may; what runs counts as what it may cost."""
        if budget is None:
            return
        spent = self._spent(tx, flow)
        if spent + wanted > budget or spent >= budget:
            raise Exhausted(
                f"flow {flow} may cost {budget:g} USD; {spent:.4g} are spent or set aside, this could cost {wanted:g}",
                budget=budget,
            )

    def _spent(self, tx: Tx, flow: str) -> float:
        """Return what a flow has spent or set aside: of a step that runs at least what was set aside for it."""
        rows = tx.execute("SELECT step, pid, reserved, gone FROM flow_process WHERE flow = ?", (flow,)).fetchall()
        costs = self._processes.costs(tx.session, [pid for _, pid, *_ in rows])
        spent, kept = dict[str, float](), dict[str, float]()
        for step, pid, reserved, gone in rows:
            spent[step] = spent.get(step, 0.0) + costs.get(pid, 0.0)
            kept[step] = max(kept.get(step, 0.0), 0.0 if gone else reserved)
        return sum(max(spent[step], kept[step]) for step in spent)

    def _cost_in(self, tx: Tx, flow: str, step: str) -> float:
        rows = tx.execute("SELECT pid FROM flow_process WHERE flow = ? AND step = ?", (flow, step)).fetchall()
        return sum(self._processes.costs(tx.session, [pid for (pid,) in rows]).values())

    async def cost(self, flow: str, step: str | None = None) -> float:
        """Return what the processes of a flow, or of one step, have cost so far."""
        found = (await self._store.read(lambda session: self.costs(session, [flow]))).get(flow, {})
        return round(sum(found.values()) if step is None else found.get(step, 0.0), 6)

    def costs(self, session: Session, flows: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return what flows have cost so far, by their steps."""
        marks = ",".join("?" * len(flows))
        rows = bare(session).execute(f"SELECT flow, step, pid FROM flow_process WHERE flow IN ({marks})", tuple(flows))
        belong = rows.fetchall()
        costs = self._processes.costs(session, [pid for *_, pid in belong])
        found: dict[str, dict[str, float]] = {}
        for flow, step, pid in belong:
            steps = found.setdefault(flow, {})
            steps[step] = steps.get(step, 0.0) + costs.get(pid, 0.0)
        return found

    # What shall end -----------------------------------------------------------------------------------

    def let_go_in(self, tx: Tx, flow: str, step: str | None, *, kept: bool, below: bool = False) -> None:
        """Write what becomes of processes: `kept` ends the step's own when it rests, all others are stopped."""
        where, values = "flow = ?", [flow]
        if step is not None:
            where += " AND (step = ? OR substr(step, 1, ?) = ?)" if below else " AND step = ?"
            values += [step, len(step) + 1, f"{step}/"] if below else [step]  # type: ignore[list-item]
        own = (
            "CASE WHEN depth = 0 THEN 'release' ELSE 'stop' END"
            if kept
            else "CASE WHEN wish = '' THEN 'stop' ELSE wish END"
        )
        done = tx.execute(
            f"UPDATE flow_process SET reserved = 0, wish = {own} WHERE {where} AND gone = 0 AND wish != 'stop'", values
        )
        if done.rowcount:
            tx.after(self._wake)

    def close_in(self, tx: Tx, approval: str, reason: str) -> None:
        """Close a question nobody needs to answer any more."""
        self._approvals.close_in(tx, approval, reason)

    def ended_in(self, tx: Tx, pid: int, reason: str) -> None:
        """Note that a process has ended."""
        tx.execute("UPDATE flow_process SET gone = 1 WHERE pid = ?", (pid,))

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def serve(self) -> None:
        """End what shall end, also what was written before a restart."""
        while True:
            news = self._news
            try:
                rows: Sequence[Row] = await self._store.read(lambda s: fetch(bare(s).execute(UNDONE)))
                limit = anyio.CapacityLimiter(KILLS)
                async with anyio.create_task_group() as group:
                    for row in rows:
                        group.start_soon(self._one, row, limit)
            except AetherError as exc:  # the database is away just now
                logger.warning("processes of ended steps are left for now: %s", exc.message)
            with anyio.move_on_after(AGAIN_S):
                await news.wait()

    async def _one(self, row: Row, limit: anyio.CapacityLimiter) -> None:
        if row["wish"] == "release":
            self._processes.dismiss(row["pid"])
            return
        call = Call(new_id("call"), "system:flow", frozenset({"process:write"}), "internal", row["user"], row["org"])
        async with limit:
            try:
                await self._dispatcher.invoke("process.kill", {"pid": row["pid"]}, call)
            except AetherError as exc:
                logger.debug("process %d: %s", row["pid"], exc.message)  # it has just ended by itself
            except Exception:  # tried again
                logger.exception("process %d of an ended step could not be ended", row["pid"])
