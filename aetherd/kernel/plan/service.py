"""Plans: what an agent means to do, step by step, shown while it works."""

from __future__ import annotations

import json
from typing import Any

from aetherd.core.clock import Clock, stamp
from aetherd.core.errors import Invalid, NotFound
from aetherd.core.ids import new_id
from aetherd.kernel.plan import tree
from aetherd.kernel.plan.events import PlanCreated, PlanUpdated
from aetherd.kernel.plan.models import Plan, PlanCreate, PlanRef, PlanUpdate
from aetherd.kernel.plan.ports import Agents
from aetherd.kernel.plan.tables import PlanRow
from aetherd.operations.operation import Call, Effect, Subject, operation
from aetherd.store import Store, Tx

ITS_AGENT = Subject("agent", "agent")


class PlanService:
    """Keeps one living plan for each agent."""

    def __init__(self, store: Store, clock: Clock, agent: Agents) -> None:
        self._store, self._clock, self._agents = store, clock, agent

    @operation("plan.create", access=ITS_AGENT, positional=("title",))
    async def create(self, input: PlanCreate, call: Call) -> Plan:
        """Write down your plan as a tree of steps, so that the person can follow it; it replaces the one before.

        Do this before work of more than three steps, and keep it true with plan.update as you go on.
        """
        agent, _ = await self._whose(input.agent, call, "plan.create")
        steps = tree.planted(input.steps)
        tree.check(steps, "plan.create")
        done, total = tree.progress(steps)
        now = stamp(self._clock.now())

        def work(tx: Tx) -> PlanRow:
            row = tx.session.get(PlanRow, agent)
            fresh: dict[str, Any] = {
                "id": new_id("plan"),
                "pid": call.pid,
                "title": input.title,
                "steps": json.dumps(steps, ensure_ascii=False),
                "version": 1,
                "created_at": now,
                "updated_at": now,
            }
            if row is None:
                row = PlanRow(agent=agent, user=call.user, org=call.org, **fresh)
            else:
                row.sqlmodel_update(fresh)
            tx.session.add(row)
            tx.emit(
                PlanCreated(pid=call.pid, agent=agent, plan=row.id, title=row.title, version=1, done=done, total=total)
            )
            return row

        return _wire(await self._store.write(work))

    @operation("plan.get", effect=Effect.READ, access=ITS_AGENT, positional=("agent",))
    async def get(self, input: PlanRef, call: Call) -> Plan:
        """Show the plan of an agent, your own by default, with the number and status of each step."""
        agent, name = await self._whose(input.agent, call, "plan.get")
        row = await self._store.read(lambda session: session.get(PlanRow, agent))
        if row is None:
            raise _none(name)
        return _wire(row)

    @operation("plan.update", access=ITS_AGENT)
    async def update(self, input: PlanUpdate, call: Call) -> Plan:
        """Tell which steps are active, done, failed or skipped now, and add those that turned out to be needed.

        Steps keep their numbers: what is not needed any more is skipped, and new ones come at the end.
        """
        agent, name = await self._whose(input.agent, call, "plan.update")

        def work(tx: Tx) -> PlanRow:
            row = tx.session.get(PlanRow, agent)
            if row is None:
                raise _none(name)
            steps: list[tree.Node] = json.loads(row.steps)
            before = {number: node["status"] for number, node in tree.walk(steps)}
            touched = set()
            for wish in input.changes:
                tree.change(steps, wish)
                touched.add(wish.step)
            for more in input.add:
                place = steps if more.under is None else tree.find(steps, more.under)["steps"]
                place.extend(tree.planted([more]))
            tree.check(steps, "plan.update")
            moved = {
                number: node["status"] for number, node in tree.walk(steps) if number in touched or number not in before
            }
            done, total = tree.progress(steps)
            row.sqlmodel_update(
                {
                    "steps": json.dumps(steps, ensure_ascii=False),
                    "version": row.version + 1,
                    "pid": call.pid if call.pid is not None else row.pid,
                    "updated_at": stamp(self._clock.now()),
                }
            )
            tx.session.add(row)
            tx.emit(
                PlanUpdated(
                    pid=row.pid,
                    agent=agent,
                    plan=row.id,
                    version=row.version,
                    steps=moved,
                    done=done,
                    total=total,
                )
            )
            return row

        return _wire(await self._store.write(work))

    async def of(self, agent: str) -> dict[str, Any] | None:
        """Return an agent's plan as it can be put back."""
        row = await self._store.read(lambda session: session.get(PlanRow, agent))
        return None if row is None else {"title": row.title, "steps": json.loads(row.steps)}

    def put_back_in(self, tx: Tx, agent: str, pid: int | None, plan: dict[str, Any], call: Call) -> None:
        """Let an agent have a plan again that it, or the agent it was copied from, once had."""
        row = tx.session.get(PlanRow, agent)
        now = stamp(self._clock.now())
        if row is None:
            row = PlanRow(
                agent=agent,
                id=new_id("plan"),
                user=call.user,
                org=call.org,
                title="",
                steps="",
                version=0,
                created_at=now,
                updated_at=now,
            )
        row.pid, row.title, row.steps = pid, plan["title"], json.dumps(plan["steps"], ensure_ascii=False)
        row.version, row.updated_at = row.version + 1, now
        tx.session.add(row)
        done, total = tree.progress(plan["steps"])
        version = row.version
        tx.emit(
            PlanCreated(pid=pid, agent=agent, plan=row.id, title=row.title, version=version, done=done, total=total)
        )

    async def _whose(self, ref: str | None, call: Call, operation: str) -> tuple[str, str]:
        """Return the id of the agent meant, and what to call it."""
        if ref is None and call.agent is None:
            raise Invalid(f"{operation}: agent: whose plan? name the agent")
        found = await self._agents.find(ref or str(call.agent), call)
        return found.id, found.name


def _none(name: str) -> NotFound:
    return NotFound(f"{name} has no plan yet; plan.create makes one", kind="plan", id=name)


def _wire(row: PlanRow) -> Plan:
    steps = json.loads(row.steps)
    done, total = tree.progress(steps)
    return Plan(**row.model_dump(exclude={"user", "org", "steps"}), steps=tree.wire(steps), done=done, total=total)
