"""What steps do to the world: start an agent, call an operation, ask a person. Each is found again after a crash."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, cast

import anyio
from pydantic import BaseModel, ValidationError

from aetherd.core.errors import AetherError, Exhausted, Forbidden, NotFound, PendingApproval
from aetherd.core.ids import new_id
from aetherd.core.model import LARGEST
from aetherd.kernel.flow.definition import Agent, Ask, CallSpec, Supervise
from aetherd.kernel.flow.ledger import Failed, Ledger, Over
from aetherd.kernel.flow.ports import Approvals, Processes, Quotas, Run, Tokens
from aetherd.kernel.flow.record import Bounds, Record
from aetherd.kernel.flow.stopping import Stopping
from aetherd.kernel.flow.watch import Watch
from aetherd.operations.dispatch import Dispatcher
from aetherd.operations.operation import Call, Effect
from aetherd.store import Tx

logger = logging.getLogger(__name__)

TEXT = 100_000  # characters kept of what an agent said, or a command printed
STREAM_S = 3600.0  # the longest wait any operation offers
LASTING = {"invalid", "forbidden", "not_found", "unauthenticated"}  # another try comes to the same
NOTE = (
    "\n\nYou may start up to {workers} workers by process.spawn, {depth} deep{cost}; more are refused. "
    "Wait for what they come to: they are ended when you are done."
)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Who does it."""

    dispatcher: Dispatcher
    process: Processes
    quota: Quotas
    approval: Approvals
    token: Tokens
    stopping: Stopping
    watch: Watch


class Acts:
    """The effects of one flow, as the one who runs it."""

    def __init__(self, neighbours: Neighbours, ledger: Ledger, call: Call) -> None:
        self._n, self._ledger, self._call = neighbours, ledger, call

    async def _may(self) -> None:
        """Refuse to act for a credential that was taken back meanwhile."""
        if not await self._n.token.stands(self._call.token):
            raise Failed("the token this flow was run with has been revoked")

    # Agents -------------------------------------------------------------------------------------------

    async def agent(self, path: str, kind: str, spec: Agent, wish: Mapping[str, Any], attempt: int) -> Any:
        """Start an agent, unless that was done before a restart, and return what it says in the end."""
        record = self._ledger.get(path)
        if record is None or record.state != "running" or record.pid is None:
            record = await self._spawned(path, kind, spec, dict(wish), attempt)
        assert record.pid is not None
        run = await self._result(record.pid, spec, path)
        if run.outcome != "completed":
            again = run.outcome in ("failed", "limited")
            raise Failed(f"process {record.pid} {run.outcome}: {run.error or 'it said not why'}", again=again)
        text = run.result if run.runtime != "command" else await self._printed(record.pid)
        text = text if len(text) <= TEXT else f"{text[:TEXT]}… ({len(text):,} characters)"
        return text if spec.output == "text" else _json_in(text)

    async def _spawned(self, path: str, kind: str, spec: Agent, wish: dict[str, Any], attempt: int) -> Record:
        bounds = Bounds(budget=spec.budget)
        if isinstance(spec, Supervise):
            cost = "" if spec.budget is None else f", for {spec.budget:g} USD in all"
            note = NOTE.format(workers=spec.max_workers, depth=spec.max_depth, cost=cost)
            bounds = Bounds(spec.max_workers, spec.max_depth, spec.budget)
            wish = {"toolset": "lead", **wish, "goal": (wish.get("goal") or "") + note}
        if spec.budget is not None:
            wish["budget"] = spec.budget
        if attempt > 1 and "name" in wish:
            wish["name"] = f"{wish['name'][:60]}-{attempt}"

        def also(tx: Tx, pid: int, agent: str, name: str) -> None:
            self._n.stopping.room_in(tx, self._ledger.flow, self._ledger.budget, spec.budget or 0.0)
            if self._ledger.budget is not None:
                self._n.quota.gather_in(tx, pid, self._ledger.flow, self._ledger.seq, self._ledger.budget)
            self._ledger.spawned_in(tx, record, pid, spec.budget or 0.0)

        await self._may()
        await self._ledger.flush()
        record = self._ledger.to_spawn(path, kind, attempt, bounds)
        try:
            if "agent" in wish:  # as process.spawn would ask
                owner = await self._n.dispatcher.registry.owner_of("agent", wish["agent"])
                if not self._call.owns(owner):
                    raise Forbidden(f"agent {wish['agent']} belongs to somebody else")
            await self._n.process.start(self._call, also, **wish)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
            raise Failed(f"agent: {'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from exc
        except AetherError as exc:  # one that was written and could not be launched has its result
            if (found := self._ledger.get(path)) is None or found.pid is None or found.attempt != attempt:
                again = exc.code not in LASTING and not isinstance(exc, Exhausted)
                raise Failed(exc.message, again=again) from exc
        found = self._ledger.get(path)
        if found is None:
            raise Over
        return found

    async def _result(self, pid: int, spec: Agent, path: str) -> Run:
        """Return a process once it has its result; one that has cost too much is ended."""
        run: Run | None = None
        try:
            while True:
                run = await self._n.watch.changed(pid, run)
                if run.outcome != "running":
                    return run
                for budget, step in ((spec.budget, path), (self._ledger.budget, None)):
                    if budget is not None and (cost := await self._n.stopping.cost(self._ledger.flow, step)) > budget:
                        whose = "it" if step else "the flow"
                        raise Failed(f"{whose} has cost {cost:.4g} USD of {budget:g}; this was ended")
        finally:
            self._n.watch.forget(pid)

    async def _printed(self, pid: int) -> str:
        """Return the end of what a command printed."""
        call = self._inside("process:read")

        async def part(offset: int, limit: int) -> Any:
            return await self._last("process.output", {"pid": pid, "offset": offset, "limit": limit}, call)

        try:
            end = (await part(LARGEST, 1)).offset
            text = (await part(max(0, end - 4 * TEXT), 4 * TEXT)).text
        except NotFound:  # it was never launched
            return ""
        return str(text).replace("\r\n", "\n").strip()[-TEXT:]

    # Operations ---------------------------------------------------------------------------------------

    async def call(self, path: str, spec: CallSpec, input: dict[str, Any], attempt: int) -> Any:
        """Call an operation; one that may have been done before a crash is not done again unasked."""
        op = self._n.dispatcher.registry.get(spec.operation)
        if op is None:
            raise Failed(f"there is no operation {spec.operation} any more")
        record = self._ledger.get(path)
        if record is not None and record.state == "waiting" and record.approval:
            return await self._allowed(path, record.approval, spec.operation)
        if record is not None and (record.found or record.state == "unknown"):
            mark = self._mark(path, record.attempt)
            if (asked := await self._asked(mark)) is not None:
                await self._ledger.waits(path, "call", asked)
                return await self._allowed(path, asked, spec.operation)
            if op.effect is not Effect.READ and not spec.idempotent:
                answer = await self._nobody_knows(path, record, spec.operation, input)
                if answer is not None:
                    return answer
        await self._may()
        await self._ledger.begin(path, "call", attempt)
        call = replace(
            self._call, id=new_id("call"), chain=(*self._call.chain, self._mark(path, attempt)), face="internal"
        )
        call = replace(call, asks=call.agent is None and call.client is None)  # then it says at once that it waits
        try:
            found = await self._last(spec.operation, input, call)
        except PendingApproval as exc:
            approval = str(exc.data["approval"])
            await self._ledger.waits(path, "call", approval)
            return await self._allowed(path, approval, spec.operation)
        except AetherError as exc:
            raise Failed(f"{spec.operation}: {exc.message}", again=exc.code not in LASTING) from exc
        except Exception as exc:
            logger.exception("flow %s: step %s: %s failed", self._ledger.flow, path, spec.operation)
            raise Failed(f"{spec.operation} failed; see aetherd's log", again=True) from exc
        return found.model_dump(mode="json")

    async def _last(self, name: str, input: dict[str, Any], call: Call) -> BaseModel:
        """Call, and of a stream take the last part."""
        found = await self._n.dispatcher.invoke(name, input, call)
        if isinstance(found, BaseModel):
            return found
        last: BaseModel | None = None
        with anyio.move_on_after(STREAM_S):
            async with aclosing(cast(Any, found)) as parts:
                async for part in cast(AsyncIterator[BaseModel], parts):
                    last = part
        if last is None:
            raise Failed(f"{name} answered nothing", again=True)
        return last

    async def _allowed(self, path: str, approval: str, operation: str) -> Any:
        """Wait until a person has allowed a call and it has run; its result."""
        answer = await self._answer(approval)
        if answer.state != "allowed":
            raise Failed(f"{operation} was {answer.state}{_by(answer)}")
        if "error" in (result := answer.result or {}):
            raise Failed(f"{operation}: {result['error']['message']}")
        return result

    async def _nobody_knows(self, path: str, record: Record, operation: str, input: Mapping[str, Any]) -> Any:
        """Ask whether a call that was under way shall be done again; None when it shall, else its output."""
        if record.state != "unknown" or record.approval is None:
            title = f"{self._ledger.name}: {operation} was under way when aetherd was stopped: do it again?"
            detail = {
                "flow": self._ledger.flow,
                "step": path,
                "input": dict(input),
                "how": "Nobody knows whether it was done. Allow: do it again. Deny with a reason: go on with the "
                "reason as its output. Deny without: the step fails.",
            }
            record = await self._ledger.ask(
                path, "call", lambda tx: self._question(tx, path, title, detail), unknown=True
            )
        answer = await self._answer(str(record.approval))
        if answer.state == "allowed":
            return None
        if answer.state == "denied" and answer.reason:
            return str(answer.reason)
        raise Failed(f"{operation} was under way when aetherd was stopped, and is not repeated: {answer.state}")

    async def _asked(self, mark: str) -> str | None:
        """Return the question that a call of ours left behind before a crash."""
        found = await self._last("approval.list", {"limit": 500}, self._inside("approval:read"))
        for one in found.approvals:  # type: ignore[attr-defined]
            if one.origin and one.origin[-1] == mark and one.kind == "operation" and one.rule is None:
                return str(one.id)
        return None

    # People -------------------------------------------------------------------------------------------

    async def ask(self, path: str, spec: Ask, title: str, detail: str | None) -> Any:
        """Ask a person, once, and return what they said."""
        answer = await self.question(path, "ask", title, {"detail": detail} if detail else {})
        allowed = answer.state == "allowed"
        if spec.must and not allowed:
            raise Failed(f"{answer.state}{_by(answer)}")
        return {"allowed": allowed, "state": answer.state, "reason": answer.reason, "by": answer.decided_by}

    async def question(self, path: str, kind: str, title: str, detail: Mapping[str, Any]) -> Any:
        """Put a question, unless it was put before a restart, and return the approval once it is settled."""
        record = self._ledger.get(path)
        if record is None or record.state != "waiting" or record.approval is None:
            facts = {"flow": self._ledger.flow, "step": path, **detail}
            try:
                record = await self._ledger.ask(path, kind, lambda tx: self._question(tx, path, title, facts))
            except AetherError as exc:
                raise Failed(exc.message, again=True) from exc
        return await self._answer(str(record.approval))

    def _question(self, tx: Tx, path: str, title: str, detail: Mapping[str, Any]) -> str:
        origin = (*self._call.chain, self._ledger.name)
        return self._n.approval.ask_in(tx, agent=self._call.agent, title=title, detail=detail, origin=origin)

    async def _answer(self, approval: str) -> Any:
        while True:
            found: Any = await self._last(
                "approval.wait", {"id": approval, "timeout_s": STREAM_S}, self._inside("approval:read")
            )
            done = found.kind != "operation" or found.result is not None or found.state != "allowed"
            if found.state != "pending" and done:
                return found

    def _inside(self, scope: str) -> Call:
        """Return a call for looking at what is the flow's own."""
        return Call(new_id("call"), self._call.actor, frozenset({scope}), "internal", self._call.user, self._call.org)

    def _mark(self, path: str, attempt: int) -> str:
        return f"{self._ledger.flow}/{path}#{attempt}"


def _by(answer: Any) -> str:
    said = f" by {answer.decided_by}" if answer.decided_by else ""
    return said + (f": {answer.reason}" if answer.reason else "")


def _json_in(text: str) -> Any:
    """Return the JSON an agent answered with, bare or as the last fenced block."""
    for found in (text, *_fenced(text)):
        try:
            value = json.loads(found)
            json.dumps(value, allow_nan=False)
            return value
        except (ValueError, RecursionError):
            continue
    raise Failed(f"it was to answer with JSON and said: {text[:200]!r}", again=True)


def _fenced(text: str) -> Iterator[str]:
    """Yield what stands between fences of no other language, the last first; in time that grows with the text alone."""
    for part in reversed(text.split("```")[1:-1]):
        language, line_end, block = part.partition("\n")
        if line_end and language.strip() in ("", "json"):
            yield block
