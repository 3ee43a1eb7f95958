"""What the terminal room takes and gives."""

from __future__ import annotations

from pydantic import Field

from aetherd.core.model import Model, Page, Pid


class TerminalOpen(Model):
    """A new terminal beside the agent, in its home, under its uid."""

    pid: Pid | None = Field(default=None, description="process whose place it opens in; default the caller's own")
    argv: list[str] | None = Field(default=None, max_length=1000, description="command; default is a login shell")
    cwd: str | None = Field(default=None, description="directory, relative to the home; default the home")
    rows: int = Field(default=30, ge=2, le=500, description="height in characters")
    cols: int = Field(default=110, ge=10, le=1000, description="width in characters")


class TerminalRef(Model):
    """Names a terminal: its id, or a pid for the process's own screen."""

    terminal: str = Field(description="terminal id (`term_…`), or a pid for that process's own PTY")


class TerminalList(Page):
    """Which terminals."""

    pid: Pid | None = Field(default=None, description="only of this process")
    ended: bool = Field(default=False, description="also those that have ended")


class Terminal(Model):
    """One PTY."""

    terminal: str
    pid: int | None
    agent: str
    title: str = Field(description="what runs in it")
    main: bool = Field(description="the process's own PTY")
    rows: int
    cols: int
    alive: bool
    exit_code: int | None
    created_at: str


class Terminals(Model):
    """A page of terminals."""

    terminals: list[Terminal]
    cursor: str | None = None


class AttachTicket(Model):
    """Opens the byte channel once."""

    ticket: str
    url: str = Field(description="path of the WebSocket, with the ticket")
    expires_at: str
    writable: bool = Field(description="false: you can watch, somebody else has the keyboard")
    reason: str | None = Field(default=None, description="why it is read-only")


class Screen(Model):
    """The rendered screen as text."""

    terminal: str
    lines: list[str]
    cursor_row: int
    cursor_col: int
    rows: int
    cols: int
    title: str
    alive: bool


class TerminalSend(Model):
    """Keys."""

    terminal: str = Field(description="terminal id, or a pid")
    text: str = Field(default="", max_length=1_000_000, repr=False, description="typed as it is; `\\r` is Enter")
    keys: list[str] = Field(
        default_factory=list,
        max_length=100,
        description="named keys sent after the text: Enter, Tab, Escape, Up, PageUp, F1, C-c, M-x, …",
    )


class TerminalSent(Model):
    """How much was typed."""

    terminal: str
    bytes: int


class TerminalResize(Model):
    """A new size."""

    terminal: str = Field(description="terminal id, or a pid")
    rows: int = Field(ge=2, le=500, description="height in characters")
    cols: int = Field(ge=10, le=1000, description="width in characters")
