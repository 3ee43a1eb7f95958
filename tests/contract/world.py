"""One of everything an operation can be about, owned by agent A; and a valid input for every operation.

A new operation with a field that no table here knows makes the tests fail, so that nobody forgets to say whom
it concerns.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
import sqlite3
import subprocess
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import anyio.to_thread
import pytest

from aetherd.operations.operation import Call, Effect, Operation, Subject
from tests.faces import Faces

# Inputs that the schema alone does not tell: short waits, and what an operation needs besides its required fields.
MORE: dict[str, dict[str, Any]] = {
    "approval.decide": {"decision": "deny"},
    "approval.wait": {"timeout_s": 0.05},
    "browser.click": {"x": 1, "y": 1},
    "control.request_human": {"wait_s": 0},
    "desktop.wait_for": {"stable_s": 0.05},
    "flow.run": {"flow": {"steps": [{"set": 1}]}},
    "fs.search": {"content": "deployment"},
    "fs.watch": {"timeout_s": 0.05},
    "metric.query": {"prefix": "aetherd_approvals"},  # what no call of the test changes
    "memory.share": {"namespace": "global"},
    "memory.update": {"importance": 0.9},
    "model.configure": {"provider": "ollama", "base_url": "http://127.0.0.1:9"},
    "message.send": {"to": "b"},
    "plan.update": {"changes": [{"step": "1", "status": "done"}]},
    "process.spawn": {"runtime": "command", "argv": ["true"], "goal": "x"},
    "process.wait": {"timeout_s": 0.05},
    "quota.set": {"pids": 4000},
    "sandbox.prune": {"dry_run": True},
    "sandbox.set_limits": {"pids": 500},
    "skill.compose": {"name": "whole"},
    "skill.create": {"description": "x"},
    "skill.install": {"archive": "eA=="},
    "skill.propose": {"description": "x"},
    "skill.share": {"agent": "b"},
    "task.delegate": {"to": "b"},
    "terminal.send": {"text": ""},
    "tool.call": {"name": "process.whoami"},
}


@dataclass
class Agent:
    """An agent with a process that runs."""

    id: str
    pid: int
    token: str  # secret of its process
    call: Call


@dataclass
class World:
    """The house, its inhabitants, and what belongs to A."""

    faces: Faces
    a: Agent
    b: Agent
    subjects: dict[str, Any]  # kind -> key of what A owns
    fields: dict[str, Any]  # input field -> a value

    @property
    def operations(self) -> list[Operation]:
        return list(self.faces.house.registry)

    def input(self, op: Operation) -> dict[str, Any]:
        """Return a minimal valid input; it is about what A owns."""
        schema = op.input.model_json_schema()
        found: dict[str, Any] = {}
        for name in schema.get("required", ()):
            found[name] = self._value(op, name, schema["properties"][name])
        found |= MORE.get(op.name, {})
        if isinstance(op.access, Subject):
            if op.access.kind not in self.subjects:
                pytest.fail(f"{op.name}: no {op.access.kind!r} in the table of subjects")
            found[op.access.field] = self.subjects[op.access.kind]
        return found

    def _value(self, op: Operation, name: str, schema: dict[str, Any]) -> Any:
        own = f"{op.room}.{name}"
        for key in (own, name):
            if key in self.fields:
                return self.fields[key]
        if "enum" in schema:
            return schema["enum"][0]
        if schema.get("type") == "integer":
            return max(schema.get("minimum", 1), 1)
        if schema.get("type") == "string" and name in TEXTS:
            return "x"
        return pytest.fail(f"{op.name}: no value for {name!r} in the table of fields")

    def audit(self, after: int = 0) -> list[sqlite3.Row]:
        """Return the rows of the audit log after one."""
        with sqlite3.connect(self.faces.house.settings.database) as database:
            database.row_factory = sqlite3.Row
            rows = database.execute("SELECT * FROM audit WHERE id > ? ORDER BY id", (after,)).fetchall()
        database.close()
        return rows

    @property
    def mark(self) -> int:
        """Return the id of the newest row of the audit log."""
        with sqlite3.connect(self.faces.house.settings.database) as database:
            (newest,) = database.execute("SELECT coalesce(max(id), 0) FROM audit").fetchone()
        database.close()
        return int(newest)


TEXTS = {"name", "title", "reason", "query", "content", "text", "path", "to", "old", "new", "thread", "decision"}


class Web:
    """Stands for the network room's way out: the same page everywhere."""

    async def fetch(self, agent: str | None, url: str, **options: Any) -> Any:
        """Answer at once."""
        headers = {"content-type": "text/html"}
        return SimpleNamespace(status=200, url=url, headers=headers, body=b"<p>hello", truncated=False)


async def build(faces: Faces) -> World:
    """Make one of everything."""
    invoke = faces.running.invoke

    async def agent(name: str) -> Agent:
        raw = {"runtime": "command", "argv": ["sleep", "1000"], "name": name, "goal": "sleep"}
        process = await invoke("process.spawn", raw)
        kernel = faces.running.kernel
        secret = await kernel.store.write(
            lambda tx: kernel.rooms["token"].make_process_token(
                tx, agent=process.agent, pid=process.pid, toolset="all", user="owner", org="home"
            )
        )
        return Agent(process.agent, process.pid, secret, await faces.house.authenticate(secret, "mcp"))

    a, b = await agent("a"), await agent("b")
    approval = await invoke("approval.request", {"title": "secret question of A"}, a.call)
    memory = await invoke("memory.remember", {"content": "deployment secret of A", "namespace": "agent"}, a.call)
    message = await invoke("message.send", {"to": "owner", "text": "deployment letter of A"}, a.call)
    task = await invoke("task.create", {"title": "deployment task of A", "to": "a"}, a.call)
    await invoke("plan.create", {"title": "deployment plan of A", "steps": [{"title": "x"}]}, a.call)
    terminal = await invoke("terminal.open", {"pid": a.pid, "argv": ["sleep", "1000"]})
    await invoke("desktop.start", {"pid": a.pid, "width": 320, "height": 200})
    faces.running.kernel.rooms["browser"].egress.insert(0, Web())
    await invoke("browser.open", {"pid": a.pid, "url": "data:text/html,<p>deployment page of A"})
    await invoke("fs.write", {"agent": a.id, "path": "notes.txt", "content": "deployment notes of A"})
    workspace = await invoke("workspace.create", {"name": "secret-of-A"}, a.call)
    repository = await anyio.to_thread.run_sync(_repository, faces.house.settings.home.parent)
    worktree = await invoke("worktree.create", {"repository": repository, "agent": a.id, "branch": "deployment-of-A"})
    skill = await invoke("skill.create", _skill("deployment-of-a"), a.call)
    proposal = await invoke("skill.propose", _skill("proposed-by-a"), a.call)
    flow = await invoke("flow.run", {"flow": {"steps": [{"ask": "secret question of A"}]}, "name": "flow of A"}, a.call)
    snapshot = await invoke("snapshot.create", {"name": "snapshot of A"}, a.call)
    token = await invoke("token.create", {"name": "spare", "scopes": ["*:read"]})
    grants = faces.running.kernel.rooms["token"].grants
    client = await grants.register("a client", ["http://127.0.0.1/callback"])
    consent = {
        "client_id": client.id,
        "redirect_uri": "http://127.0.0.1:9/callback",
        "response_type": "code",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
        "resource": f"http://127.0.0.1:{faces.port}/mcp",
    }
    subjects = {
        "agent": a.id,
        "process": a.pid,
        "skill": skill.id,
        "snapshot": snapshot.id,
        "approval": approval.id,
        "flow": flow.id,
        "memory": memory.id,
        "message": message.id,
        "task": task.id,
        "terminal": terminal.terminal,
        "token": token.id,
        "workspace": workspace.id,
        "worktree": worktree.id,
    }
    fields = {
        "pid": a.pid,
        "agent": a.id,
        "approval.id": approval.id,
        "browser.url": "http://web.test/",
        "browser.keys": ["Tab"],
        "flow.id": flow.id,
        "memory.id": memory.id,
        "plan.steps": [{"title": "x"}],
        "reflection.lessons": ["x"],
        "runtime.runtime": "command",
        "template.template": "web-researcher",
        "sandbox.argv": ["true"],
        "skill": skill.id,
        "snapshot": snapshot.id,
        "skill.description": "x",
        "skill.parts": [{"skill": skill.id}],
        "skill.version": 1,
        "proposal": proposal.id,
        "task.id": task.id,
        "token.id": token.id,
        "token.request": urlencode(consent),
        "message.ids": [message.id],
        "message.thread": message.thread,
        "model.model": "some-model",
        "model.provider": "anthropic",
        "fs.path": "notes.txt",
        "workspace": workspace.id,
        "worktree": worktree.id,
        "worktree.message": "x",
        "worktree.repository": repository,
        "terminal": terminal.terminal,
        "agent.name": "someone",
        "process.priority": 0,
        "desktop.x": 1,
        "desktop.y": 1,
        "desktop.to_x": 2,
        "desktop.to_y": 2,
        "desktop.keys": ["Tab"],
        "desktop.argv": ["true"],
        "terminal.rows": 30,
        "terminal.cols": 100,
    }
    return World(faces, a, b, subjects, fields)


# What can be changed at little cost: for each operation, how to make an input that is valid once more.
Fresh = Callable[[World], Awaitable[dict[str, Any]]]
_numbers = itertools.count()


def _new(**raw: Any) -> Fresh:
    async def make(world: World) -> dict[str, Any]:
        return json.loads(json.dumps(raw).replace("%", str(next(_numbers))))  # type: ignore[no-any-return]

    return make


def _about(operation: str, raw: dict[str, Any], field: str, key: str, **more: Any) -> Fresh:
    async def make(world: World) -> dict[str, Any]:
        given = json.loads(json.dumps(raw).replace("%", str(next(_numbers))))
        made = await world.faces.running.invoke(operation, given, world.a.call if "title" in raw else None)
        return {field: getattr(made, key), **more}

    return make


async def _file(world: World) -> dict[str, Any]:
    path = f"file{next(_numbers)}"
    await world.faces.running.invoke("fs.write", {"agent": world.a.id, "path": path, "content": "old"})
    return {"agent": world.a.id, "path": path}


def _at(**more: Any) -> Fresh:
    async def make(world: World) -> dict[str, Any]:
        return await _file(world) | {key: str(value).replace("%", str(next(_numbers))) for key, value in more.items()}

    return make


async def _write(world: World) -> dict[str, Any]:
    return {"agent": world.a.id, "path": f"file{next(_numbers)}", "content": "new"}


async def _mkdir(world: World) -> dict[str, Any]:
    return {"agent": world.a.id, "path": f"place{next(_numbers)}"}


async def _alike(world: World) -> dict[str, Any]:
    text = f"the {chr(97 + next(_numbers) % 26)} lamp is broken"
    for _ in range(2):
        await world.faces.running.invoke("memory.remember", {"content": text})
    return {"namespace": "global"}


async def _message(world: World) -> dict[str, Any]:
    made = await world.faces.running.invoke("message.send", {"to": "owner", "text": "hello"}, world.a.call)
    return {"ids": [made.id]}


async def _task(world: World) -> dict[str, Any]:
    raw = {"title": f"task {next(_numbers)}", "backoff_s": 3600}
    made = await world.faces.running.invoke("task.create", raw)
    return {"id": made.id}


async def _claimed(world: World) -> dict[str, Any]:
    task = await _task(world) | {"lease_s": 86_400}
    await world.faces.running.invoke("task.claim", task)
    return {"id": task["id"]}


async def _unclaimed(world: World) -> dict[str, Any]:
    return await _task(world) | {"lease_s": 86_400}


async def _failed(world: World) -> dict[str, Any]:
    return await _claimed(world) | {"reason": "tired"}


async def _delegated(world: World) -> dict[str, Any]:
    return await _task(world) | {"to": world.b.id}


async def _plan(world: World) -> dict[str, Any]:
    return {"agent": world.a.id, "title": f"plan {next(_numbers)}", "steps": [{"title": "x"}]}


async def _planned(world: World) -> dict[str, Any]:
    return {"agent": world.a.id, "changes": [{"step": "1", "note": str(next(_numbers))}]}


async def _consent(world: World) -> dict[str, Any]:
    return {"request": world.fields["token.request"], "decision": "allow"}


async def _priority(world: World) -> dict[str, Any]:
    return {"pid": world.a.pid, "priority": next(_numbers) % 10}


async def _process(world: World) -> dict[str, Any]:
    made = await world.faces.running.invoke("process.spawn", {"runtime": "command", "argv": ["sleep", "1000"]})
    return {"pid": made.pid}


def _workspace(*, mounted: bool = False, reserved: bool = False, to: bool = False, **more: Any) -> Fresh:
    async def make(world: World) -> dict[str, Any]:
        invoke = world.faces.running.invoke
        made = await invoke("workspace.create", {"name": f"space{next(_numbers)}"})
        if mounted:
            await invoke("workspace.mount", {"workspace": made.id, "agent": world.a.id})
        if reserved:
            await invoke("workspace.reserve", {"workspace": made.id, "path": "x", "reason": "y"})
        return {"workspace": made.id, **({"agent": world.a.id} if to else {}), **more}

    return make


def _repository(place: Path) -> str:
    """Make a git repository of a person's, with a remote; blocking."""
    bare = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | {"GIT_CONFIG_GLOBAL": "/dev/null"}
    for line in (
        "init -q --bare remote.git",
        "init -q -b main repository",
        "-C repository -c user.name=x -c user.email=x commit -q --allow-empty -m x",
        f"-C repository remote add origin {place}/remote.git",
    ):
        subprocess.run(["git", *line.split()], cwd=place, env=bare, check=True)
    return str(place / "repository")


def _worktree(*, commit: bool = False, **more: Any) -> Fresh:
    async def make(world: World) -> dict[str, Any]:
        owner = await world.faces.running.invoke("agent.create", {"name": f"worker{next(_numbers)}"})
        raw = {"repository": world.fields["worktree.repository"], "agent": owner.id, "branch": f"b{next(_numbers)}"}
        made = await world.faces.running.invoke("worktree.create", raw)
        (Path(made.path) / raw["branch"]).write_text("new")
        if commit:
            await world.faces.running.invoke("worktree.commit", {"worktree": made.id, "message": "x"})
        return {"worktree": made.id, **more}

    return make


async def _branch(world: World) -> dict[str, Any]:
    raw = {"repository": world.fields["worktree.repository"], "agent": world.a.id}
    return raw | {"branch": f"b{next(_numbers)}"}


async def _stars(world: World) -> dict[str, Any]:
    return {"template": "web-researcher", "rating": next(_numbers) % 5 + 1}


async def _reflection(world: World) -> dict[str, Any]:
    return {"pid": world.a.pid, "rating": 4, "lessons": [f"lesson {next(_numbers)}"]}


async def _thumb(world: World) -> dict[str, Any]:
    return {"pid": world.a.pid, "verdict": "up", "comment": f"well done {next(_numbers)}"}


async def _quota(world: World) -> dict[str, Any]:
    return {"agent": world.a.id, "pids": 4000 + next(_numbers)}


async def _model(world: World) -> dict[str, Any]:
    return {"provider": "anthropic", "base_url": f"http://127.0.0.1:9/{next(_numbers)}"}


async def _policy(world: World) -> dict[str, Any]:
    return {"agent": world.a.id, "mode": "rules", "rules": [f"site{next(_numbers)}.example"]}


async def _profile(world: World) -> dict[str, Any]:
    return {"agent": world.a.id, "notes": f"ask before {next(_numbers)}"}


async def _own_template(world: World) -> dict[str, Any]:
    made = await world.faces.running.invoke("template.create", {"name": f"gone{next(_numbers)}", "title": "x"})
    return {"template": made.name}


STEPS = "steps: [{name: say, kind: transform, value: hello}]"


def _skill(name: str) -> dict[str, Any]:
    return {"name": name, "description": "deployment skill of A", "text": "x", "files": {"steps.yaml": STEPS}}


def _some_skill(*, versions: int = 1, **more: Any) -> Fresh:
    async def make(world: World) -> dict[str, Any]:
        raw = _skill(f"skill-{next(_numbers)}")
        for number in range(versions):
            made = await world.faces.running.invoke("skill.create", raw | {"text": f"{number}"})
        return {"skill": made.id, **more}

    return make


async def _runnable(world: World) -> dict[str, Any]:
    return {"skill": world.subjects["skill"], "agent": world.a.id}


def _proposal(**more: Any) -> Fresh:
    async def make(world: World) -> dict[str, Any]:
        raw = _skill(f"skill-{next(_numbers)}")
        return {"proposal": (await world.faces.running.invoke("skill.propose", raw, world.b.call)).id, **more}

    return make


async def _packed(world: World) -> dict[str, Any]:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("SKILL.md", f"---\nname: packed-{next(_numbers)}\ndescription: x\n---\n")
    return {"archive": base64.b64encode(out.getvalue()).decode()}


async def _composed(world: World) -> dict[str, Any]:
    return {"name": f"whole-{next(_numbers)}", "description": "x", "parts": [{"skill": world.subjects["skill"]}]}


def _snapshot() -> Fresh:
    async def make(world: World) -> dict[str, Any]:
        invoke = world.faces.running.invoke
        owner = await invoke("agent.create", {"name": f"kept{next(_numbers)}"})
        return {"snapshot": (await invoke("snapshot.create", {"agent": owner.id})).id}

    return make


FRESH: dict[str, Fresh] = {
    "agent.archive": _about("agent.create", {"name": "put%"}, "agent", "id"),
    "agent.create": _new(name="new%"),
    "agent.remove": _about("agent.create", {"name": "gone%"}, "agent", "id"),
    "agent.update": _about("agent.create", {"name": "change%"}, "agent", "id", role="other"),
    "approval.decide": _about("approval.request", {"title": "may I % ?"}, "id", "id", decision="deny"),
    "approval.request": _new(title="may I % ?"),
    "feedback.submit": _thumb,
    "flow.cancel": _about("flow.run", {"flow": {"steps": [{"ask": "go on?"}]}}, "id", "id"),
    "flow.run": _new(flow={"steps": [{"set": 1}]}, name="flow%"),
    "fs.copy": _at(to="copy%"),
    "fs.edit": _at(old="old", new="new"),
    "fs.mkdir": _mkdir,
    "fs.move": _at(to="moved%"),
    "fs.remove": _file,
    "fs.write": _write,
    "memory.consolidate": _alike,
    "memory.forget": _about("memory.remember", {"content": "forget me %"}, "id", "id"),
    "memory.remember": _new(content="remember me %"),
    "memory.share": _about("memory.remember", {"content": "share me %", "agent": "a"}, "id", "id", namespace="global"),
    "memory.update": _about("memory.remember", {"content": "change me %"}, "id", "id", content="changed"),
    "message.ack": _message,
    "message.broadcast": _new(text="hello all %"),
    "message.send": _new(to="b", text="hello %"),
    "plan.create": _plan,
    "plan.update": _planned,
    "model.configure": _model,
    "network.set_policy": _policy,
    "process.kill": _process,
    "process.set_priority": _priority,
    "profile.update": _profile,
    "quota.set": _quota,
    "reflection.add": _reflection,
    "skill.approve": _proposal(),
    "skill.compose": _composed,
    "skill.create": _new(name="new-%", description="x", text="y"),
    "skill.install": _packed,
    "skill.propose": _new(name="new-%", description="x", text="y"),
    "skill.reject": _proposal(reason="no"),
    "skill.remove": _some_skill(),
    "skill.rollback": _some_skill(versions=2, version=1),
    "skill.run": _runnable,
    "skill.share": _some_skill(agent="b"),
    "skill.test": _some_skill(),
    "snapshot.create": _about("agent.create", {"name": "keep%"}, "agent", "id"),
    "snapshot.fork": _snapshot(),
    "snapshot.remove": _snapshot(),
    "snapshot.restore": _snapshot(),
    "task.cancel": _task,
    "task.claim": _unclaimed,
    "task.complete": _claimed,
    "task.create": _new(title="task %"),
    "task.delegate": _delegated,
    "task.fail": _failed,
    "template.create": _new(name="own%", title="x"),
    "template.fork": _new(template="web-researcher", name="fork%"),
    "template.rate": _stars,
    "template.remove": _own_template,
    "token.create": _new(name="token%"),
    "token.decide": _consent,
    "token.revoke": _about("token.create", {"name": "short%"}, "id", "id"),
    "workspace.create": _new(name="new%"),
    "workspace.mount": _workspace(to=True),
    "workspace.release": _workspace(reserved=True),
    "workspace.remove": _workspace(),
    "workspace.reserve": _workspace(path="src", reason="I work on it"),
    "workspace.unmount": _workspace(mounted=True, to=True),
    "worktree.commit": _worktree(message="x"),
    "worktree.create": _branch,
    "worktree.merge": _worktree(commit=True),
    "worktree.push": _worktree(commit=True),
    "worktree.remove": _worktree(),
}
# Those that change nothing but the database, so that a failed commit leaves nothing at all.
ROWS = [
    "approval",
    "feedback",
    "memory",
    "message",
    "model",
    "network",
    "plan",
    "profile",
    "quota",
    "reflection",
    "task",
    "template",
]
ROWS += ["token"]
ROWS_ONLY = [name for name in FRESH if name.partition(".")[0] in ROWS] + ["agent.create", "agent.update"]
ROWS_ONLY += [f"skill.{verb}" for verb in ("approve", "reject", "rollback", "share")]


def changes(op: Operation) -> bool:
    """Tell whether an operation changes something itself."""
    return op.effect is not Effect.READ and not op.delegates
