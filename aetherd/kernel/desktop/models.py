"""What the desktop room takes and gives. Positions are pixels of the screen, from its top left corner."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from aetherd.core.model import Model, Pid
from aetherd.core.picture import Picture

Pixel = Annotated[int, Field(ge=0, le=16_383)]
Button = Literal["left", "middle", "right"]
Chord = Annotated[str, Field(min_length=1, max_length=100)]


class DesktopRef(Model):
    """Names the process whose desktop is meant."""

    pid: Pid | None = Field(default=None, description="process whose desktop it is; default the caller's own")


class DesktopStart(DesktopRef):
    """A new desktop."""

    width: int = Field(default=1280, ge=320, le=3840, description="pixels")
    height: int = Field(default=800, ge=200, le=2160, description="pixels")
    argv: list[str] | None = Field(default=None, max_length=1000, description="program to start on it at once")


class Desktop(Model):
    """A desktop, or that there is none."""

    pid: int
    agent: str
    running: bool
    width: int | None
    height: int | None
    env: dict[str, str] = Field(description="what a program of this process needs to open a window on it")
    holder: str | None = Field(description="who has control of the process: only they click and type meanwhile")
    viewers: int
    started_at: str | None


class DesktopTicket(Model):
    """Opens the byte channel once: the RFB protocol (noVNC speaks it), watched over by the daemon."""

    ticket: str
    url: str = Field(description="path of the WebSocket, with the ticket")
    expires_at: str
    writable: bool = Field(description="whether clicks and keys count now: they do while you have control")
    reason: str | None = Field(default=None, description="why they do not")


class Shoot(DesktopRef):
    """How to take a picture."""

    format: Literal["png", "jpeg"] = Field(default="png", description="jpeg is smaller, png exact")
    max_width: int = Field(default=1280, ge=16, le=4096, description="a wider screen is scaled down to this")
    max_height: int = Field(default=1280, ge=16, le=4096, description="a higher screen is scaled down to this")


class Shot(Model):
    """What is on the screen now."""

    pid: int
    width: int = Field(description="of the picture")
    height: int = Field(description="of the picture")
    scale: float = Field(description="a position in the picture times this is the position on the screen")
    picture: Picture


class Click(DesktopRef):
    """A click."""

    x: Pixel = Field(description="pixels from the left")
    y: Pixel = Field(description="pixels from the top")
    button: Button = Field(default="left", description="which")
    count: int = Field(default=1, ge=1, le=3, description="2 is a double click")
    hold: list[Chord] = Field(default=[], max_length=4, description="keys held meanwhile: ctrl, shift, alt, super")


class Move(DesktopRef):
    """Where the pointer goes."""

    x: Pixel = Field(description="pixels from the left")
    y: Pixel = Field(description="pixels from the top")


class Drag(DesktopRef):
    """From where to where, with a button held."""

    x: Pixel = Field(description="from here")
    y: Pixel = Field(description="from here")
    to_x: Pixel = Field(description="to here")
    to_y: Pixel = Field(description="to here")
    button: Button = Field(default="left", description="which")


class Scroll(DesktopRef):
    """Turns of the wheel at a place."""

    x: Pixel = Field(description="pixels from the left")
    y: Pixel = Field(description="pixels from the top")
    down: int = Field(default=0, ge=-100, le=100, description="notches down; negative is up")
    right: int = Field(default=0, ge=-100, le=100, description="notches right; negative is left")


class Pointer(Model):
    """Where the pointer is."""

    pid: int
    x: int
    y: int


class TypeText(DesktopRef):
    """A text to type."""

    text: str = Field(max_length=10_000, repr=False, description="any Unicode; a line break is Enter")


class PressKeys(DesktopRef):
    """Keys to press, one chord after the other."""

    keys: list[Chord] = Field(
        min_length=1, max_length=100, description="chords such as Return, ctrl+c, alt+F4, shift+Tab, Page_Down, é"
    )


class Typed(Model):
    """How much was typed."""

    pid: int
    count: int = Field(description="characters or chords")


class Exec(DesktopRef):
    """A program."""

    argv: list[str] = Field(min_length=1, max_length=1000, description="command line")


class Program(Model):
    """A program that was started on a desktop."""

    pid: int
    os_pid: int = Field(description="its number where it runs")
    exit_code: int | None = Field(description="set when it has ended already, 127 when there is no such program")
    error: str | None = Field(default=None, description="what was complained of since, when it ended badly")


class Point(Model):
    """A pixel and what colour it shall have."""

    x: Pixel = Field(description="pixels from the left")
    y: Pixel = Field(description="pixels from the top")
    colour: str = Field(pattern=r"^#[0-9a-fA-F]{6}$", description="#rrggbb")
    tolerance: int = Field(default=8, ge=0, le=255, description="how far each of red, green and blue may be off")


class WaitFor(DesktopRef):
    """What to wait for; all that is given must hold at once."""

    stable_s: float | None = Field(default=None, gt=0, le=30, description="nothing changed for this many seconds")
    pixel: Point | None = Field(default=None, description="a pixel has this colour")
    text: str | None = Field(
        default=None, min_length=1, max_length=200, description="this can be read on it (needs tesseract)"
    )
    timeout_s: float = Field(default=10, gt=0, le=120, description="how long at most")


class Waited(Model):
    """How the wait ended."""

    pid: int
    met: bool = Field(description="false: the time was up")
    waited_s: float
    missing: list[str] = Field(description="what did not hold at the end: stable, pixel, text")
