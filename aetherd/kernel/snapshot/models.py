"""What the snapshot room takes and gives."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr, field_serializer

from aetherd.core.model import Model, Page

Kind = Literal["manual", "auto", "safety"]


class SnapshotCreate(Model):
    """Whom to keep as it is."""

    agent: str | None = Field(default=None, max_length=100, description="agent (id or name); default: the caller")
    name: str | None = Field(default=None, min_length=1, max_length=100, description="what it is called, for people")


class Snapshot(Model):
    """An agent as it was at one moment: files, conversation, and the position in the event log."""

    id: str
    agent: str = Field(description="agent id")
    agent_name: str = Field(description="as it was called then")
    name: str | None
    kind: str = Field(
        description="manual, auto (a checkpoint after a turn) or safety (what a restore took the place of)"
    )
    state: str = Field(description="creating or ready")
    pid: int | None = Field(description="its newest process then")
    runtime: str | None
    session: str | None = Field(description="the runtime's own conversation id")
    event: int = Field(description="id of the newest event then")
    digest: str = Field(description="SHA-256 of the manifest; every file is named by its own in there")
    files: int
    bytes: int = Field(description="of its files as they are read")
    stored: int = Field(description="bytes that it added to the store; what was there before is shared")
    frozen_ms: float = Field(description="how long the agent stood still for it")
    created_at: str
    created_by: str


class SnapshotList(Page):
    """Which snapshots."""

    agent: str | None = Field(default=None, max_length=100, description="only of this agent (id or name)")
    kind: Kind | None = Field(default=None, description="only manual, auto or safety ones")


class Snapshots(Model):
    """A page of snapshots, newest first."""

    snapshots: list[Snapshot]
    cursor: str | None = None


class SnapshotRef(Model):
    """Names one snapshot."""

    snapshot: str = Field(max_length=100, description="snapshot id")


class SnapshotGet(SnapshotRef):
    """Names one snapshot, and whether to read all of it."""

    verify: bool = Field(default=False, description="read every stored file and compare its hash; may take a while")


class Left(Model):
    """Something that is not in it, and why."""

    path: str
    why: str


class Part(Model):
    """A directory that is in it."""

    name: str = Field(description="home, or the id of a workspace")
    path: str = Field(description="where it was")
    files: int
    bytes: int


class SnapshotDetails(Snapshot):
    """A snapshot with what it holds."""

    parts: list[Part]
    left_out: list[Left] = Field(description="pipes, credentials, what could not be read: at most 200")
    left_out_total: int
    process: dict[str, Any] | None = Field(description="what its process was: model, limits, directory, goal")
    plan: dict[str, Any] | None = Field(description="its plan then")
    messages: list[dict[str, Any]] = Field(description="the newest messages it had got, at most 50")
    verified: bool = Field(description="whether every file was read and is whole")


class SnapshotDiff(SnapshotRef):
    """What to compare."""

    other: str | None = Field(
        default=None, max_length=100, description="a later snapshot; default: the agent as it is now"
    )
    text: bool = Field(default=True, description="with the changed lines of small text files")
    limit: int = Field(default=200, ge=1, le=1000, description="most files to name")


class FileChange(Model):
    """A file that differs."""

    path: str = Field(description="under the part's directory; workspaces begin with their id")
    change: Literal["added", "removed", "changed"]
    kind: str = Field(description="file, dir or link")
    bytes: int = Field(description="its size, in the later of the two")
    text: str | None = Field(
        default=None, description="unified diff, cut to 8,000 characters; null for other than text"
    )


class Difference(Model):
    """How the later differs from the snapshot."""

    snapshot: str
    other: str | None = Field(description="null: the agent as it is now")
    added: int
    removed: int
    changed: int
    files: list[FileChange]
    more: int = Field(description="files that differ and are not named here")
    messages: list[dict[str, Any]] = Field(description="what was told to it and what it said since, at most 100")


class SnapshotRestore(SnapshotRef):
    """How to go back to a snapshot."""

    dry_run: bool = Field(default=False, description="only say what would change")
    text: str | None = Field(
        default=None, max_length=200_000, description="what the agent is told then; default: it waits for a word"
    )
    env: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="environment for the runtime, as in process.spawn: a snapshot holds no secrets",
    )
    workspaces: bool = Field(
        default=True, description="bring its workspaces back too; one that another running agent has is left as it is"
    )

    @field_serializer("env")
    def _hidden(self, env: dict[str, SecretStr]) -> dict[str, str]:
        return dict.fromkeys(env, "********")


class SnapshotFork(SnapshotRef):
    """How to run an agent as it was under a new one."""

    name: str | None = Field(
        default=None, max_length=64, pattern=r"^[\w][\w .@+-]*$", description="name of the new agent; made up if absent"
    )
    text: str | None = Field(
        default=None, max_length=200_000, description="what the agent is told then; default: it waits for a word"
    )
    env: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="environment for the runtime, as in process.spawn: a snapshot holds no secrets",
    )

    @field_serializer("env")
    def _hidden(self, env: dict[str, SecretStr]) -> dict[str, str]:
        return dict.fromkeys(env, "********")


class Restored(Model):
    """What became of it."""

    snapshot: str
    agent: str
    pid: int | None = Field(description="the process that goes on; null with dry_run")
    session: str | None = Field(description="the conversation it goes on in; null: a new one")
    conversation: Literal["resumed", "new"] = Field(description="new: this runtime cannot go on in an old one")
    files: int = Field(description="brought back")
    changes: Difference | None = Field(description="what is undone by it; null for a fork")
    safety: str | None = Field(description="snapshot of the state before; restore that to undo this")
    left: list[Left] = Field(description="workspaces that stay as they are, and why")
    done: bool


class SnapshotRemoved(Model):
    """It is gone."""

    snapshot: str
    agent: str
