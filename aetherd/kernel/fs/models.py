"""What the fs room takes and gives."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from aetherd.core.model import Model

PATH = "relative to the agent's home, such as `work/notes.md`"
Kind = Literal["file", "dir", "link", "other"]


class Placed(Model):
    """Whose files."""

    agent: str | None = Field(
        default=None,
        max_length=200,
        description="agent id or name; default is the calling agent, a person names one",
    )
    workspace: str | None = Field(
        default=None,
        max_length=200,
        description="workspace (id or name) or worktree (id or branch): its files instead, paths relative to it",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Placed:
        if self.agent is not None and self.workspace is not None:
            raise ValueError("name an agent or a workspace, not both")
        return self


class FsPath(Placed):
    """Names one file or directory."""

    path: str = Field(min_length=1, max_length=4096, description=PATH)


class FsRead(FsPath):
    """Which bytes of which file."""

    offset: int = Field(default=0, ge=0, le=1 << 62, description="first byte")
    limit: int = Field(default=65_536, ge=1, le=1_048_576, description="most bytes")
    encoding: Literal["auto", "text", "base64"] = Field(
        default="auto",
        description="auto: text when it is UTF-8, else base64; text: invalid bytes replaced; base64: exact",
    )


class FsContent(Model):
    """A part of a file."""

    path: str
    size: int = Field(description="of the whole file")
    offset: int
    next_offset: int = Field(description="where to go on reading")
    text: str = Field(description="empty when `base64` is given")
    base64: str | None = Field(default=None, description="the exact bytes, when they are not text")
    eof: bool = Field(description="nothing follows")


class FsWrite(FsPath):
    """What to put into which file."""

    content: str = Field(max_length=16_777_216, repr=False, description="text, or base64 with `base64: true`")
    base64: bool = Field(default=False, description="whether `content` is base64")
    mode: Literal["overwrite", "create", "append"] = Field(
        default="overwrite", description="create refuses an existing file"
    )
    parents: bool = Field(default=True, description="make missing directories")


class FsWritten(Model):
    """What was written."""

    path: str
    size: int = Field(description="of the whole file now")
    created: bool


class FsEdit(FsPath):
    """An exact replacement."""

    old: str = Field(min_length=1, max_length=1_048_576, repr=False, description="exact text to replace")
    new: str = Field(max_length=1_048_576, repr=False, description="text to put there")
    all: bool = Field(default=False, description="replace every occurrence; otherwise there must be exactly one")


class FsEdited(Model):
    """What was replaced."""

    path: str
    size: int
    replaced: int


class FsList(Placed):
    """Which directory."""

    path: str = Field(default=".", min_length=1, max_length=4096, description=f"directory, {PATH}")
    recursive: bool = Field(default=False, description="also what is in its directories")
    hidden: bool = Field(default=False, description="also names that begin with a dot")
    limit: int = Field(default=100, ge=1, le=500, description="most entries")
    cursor: str | None = Field(default=None, max_length=8192, description="the `cursor` of the page before")


class FsStat(Model):
    """One file, directory or link; bytes of a name that are not UTF-8 show as U+FFFD."""

    name: str
    path: str
    kind: Kind
    size: int
    modified: str
    mode: str = Field(description="permissions in octal")
    target: str | None = Field(default=None, description="where a link points")


class FsEntries(Model):
    """A page of a directory."""

    path: str
    entries: list[FsStat]
    cursor: str | None = None
    complete: bool = Field(default=True, description="false: too big or too deep to be listed whole")


class FsSearch(Placed):
    """What to look for; at least one of `name` and `content`."""

    path: str = Field(default=".", min_length=1, max_length=4096, description=f"directory to search, {PATH}")
    name: str | None = Field(
        default=None,
        max_length=1000,
        description="glob on the file name, or on the path when it holds a `/`: `*.py`",
    )
    content: str | None = Field(default=None, min_length=1, max_length=1000, description="text in a line")
    regex: bool = Field(default=False, description="`content` is a Python regular expression")
    ignore_case: bool = Field(default=False, description="for `content`")
    hidden: bool = Field(default=False, description="also in names that begin with a dot")
    limit: int = Field(default=100, ge=1, le=1000, description="most matches")


class FsMatch(Model):
    """One hit."""

    path: str
    line: int | None = Field(default=None, description="line number, from 1")
    text: str | None = Field(default=None, description="the line, at most 400 characters of it")


class FsMatches(Model):
    """What was found."""

    matches: list[FsMatch]
    files: int = Field(description="files looked at")
    complete: bool = Field(description="false: a bound (matches, files, bytes or time) ended the search early")


class FsMkdir(FsPath):
    """A new directory."""

    parents: bool = Field(default=True, description="make missing ones above it, accept one that exists")


class FsMove(FsPath):
    """From where to where."""

    to: str = Field(min_length=1, max_length=4096, description=f"new path, {PATH}; not the directory to put it in")
    overwrite: bool = Field(default=False, description="replace a file that is there")


class FsRemove(FsPath):
    """What to remove."""

    recursive: bool = Field(default=False, description="a directory with everything in it")


class FsRemoved(Model):
    """What is gone."""

    path: str
    kind: Kind


class FsWatch(Placed):
    """What to watch."""

    path: str = Field(default=".", min_length=1, max_length=4096, description=f"directory, {PATH}")
    recursive: bool = Field(default=True, description="also the directories in it, at most 2,000")
    follow: bool = Field(default=False, description="stream until you stop; otherwise answer with the first changes")
    timeout_s: float = Field(default=60, gt=0, le=3600, description="without `follow`: answer at the latest after this")


class FsChange(Model):
    """One change."""

    path: str
    kind: Literal["created", "modified", "removed", "moved_from", "moved_to", "resync"] = Field(
        description="resync: changes were missed, look again"
    )


class FsChanges(Model):
    """Changes that came together; none when the time was up, and in the first item of a stream."""

    changes: list[FsChange]
