"""A graphical agent in Docker: it sees, opens a window and types; a person watches, takes control and hands back."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from tests.browser.console_lab import Console, window
from tests.docker_engine import DockerEngine, docker_desktop, docker_engine
from tests.e2e.claude_lab import Claude, aether, model, real, says
from tests.e2e.daemon_lab import Daemon, until
from tests.model_api import Request

__all__ = ["docker_desktop", "docker_engine"]
pytestmark = [pytest.mark.docker, pytest.mark.root]

READY = "manual mode on"  # what the TUI shows when it takes keys
XTERM = ["xterm", "-maximized", "-e", "sh", "-c", "cat > typed"]
BARE, WHITE = (0x30, 0x36, 0x3D), (255, 255, 255)
SPOT = {"x": 500, "y": 300}


@pytest.fixture
def house(docker_desktop: DockerEngine) -> Iterator[Daemon]:
    with Daemon(settings=f'docker_host = "{docker_desktop.host}"\n') as daemon:
        yield daemon


def use(name: str, /, **input: Any) -> dict[str, Any]:
    """Script a call of a desktop's tool as a worker does it, whose menu has none of them."""
    return aether("tool_call", name=f"desktop.{name}", input=input)


def written(claude: Claude) -> str:
    """Return what was typed into the agent's window."""
    place = claude.daemon.home / "agents" / claude.spawned["agent"] / "home" / "typed"
    return place.read_text() if place.exists() else ""


def pictures(request: Request) -> list[Image.Image]:
    """Return the pictures that the model was shown since it spoke last; none may also be there as words."""
    blocks = [block for message in request.fresh for block in message["content"] if block["type"] == "tool_result"]
    shown = [part for block in blocks for part in block["content"] if "source" in part]
    for part in shown:
        data = part["source"].pop("data")
        assert data[200:260] not in json.dumps(blocks)
        part["source"]["data"] = data
    return [Image.open(io.BytesIO(base64.b64decode(part["source"]["data"]))) for part in shown]


def shows(canvas: Locator, colour: tuple[int, int, int]) -> Callable[[], object]:
    """Return a look at what a person sees at the spot."""
    look = "(c, s) => [...c.getContext('2d').getImageData(s.x, s.y, 1, 1).data.slice(0, 3)]"
    return lambda: tuple(canvas.evaluate(look, SPOT)) == colour


@real
def test_a_model_uses_a_desktop_in_docker_and_a_person_watches_takes_over_types_and_hands_back(
    house: Daemon, browser: Browser, shots: Any
) -> None:
    ready = use("wait_for", pixel={**SPOT, "colour": "#ffffff"})
    steps = [
        says("I look.", use("screenshot")),
        says({"text": ["I open a window. ", {"hold": "watched"}]}, use("exec", argv=XTERM), ready),
        says("I type.", use("click", **SPOT), use("type", text="from the agent\n"), aether("desktop_screenshot")),
        says("I have typed."),
        says("I click again.", aether("desktop_click", **SPOT)),
        says("I may not now."),
        says("I go on.", use("type", text="and on\n")),
        says("Done."),
        says("I look once more.", use("screenshot")),
        says("It is as I left it."),
    ]
    with model(*steps) as api:
        wish = {"tier": "docker", "graphical": True}
        claude = Claude(house, api, "use the desktop", name="painter", sandbox=wish, toolset="all")
        with window(browser, house, shots) as console:
            _watched_and_taken_over(console, claude)
        house.restart()
        claude.send("look once more")
        (again,) = pictures(api.wait_for_request(10))
        assert again.convert("RGB").getpixel((500, 300)) == WHITE


def _watched_and_taken_over(console: Console, claude: Claude) -> None:
    """Be the person."""
    api = claude.api
    first = api.wait_for_request(2, timeout=60)
    (bare,) = pictures(first)
    assert (bare.size, bare.convert("RGB").getpixel((500, 300))) == ((1280, 800), BARE)

    console.login().open(claude.pid, "desktop")
    console.expected.append("willReadFrequently")  # of our own looking
    desktop = console.at("desktop")
    expect(desktop).to_have_attribute("data-writable", "false")
    canvas = desktop.locator("canvas")
    until(shows(canvas, BARE), 15, "the bare desktop")
    api.release("watched")
    until(shows(canvas, WHITE), 15, "the agent's window")
    assert claude.wait()["text"] == "I have typed."
    (used,) = pictures(api.wait_for_request(4))
    assert used.convert("RGB").getpixel((500, 300)) == WHITE
    until(lambda: written(claude) == "from the agent\n", 10, "the agent's words")

    canvas.click(button="right", position={"x": 5, "y": 5})  # only watching: it goes nowhere
    console.at("desktop-take").click()
    expect(desktop).to_have_attribute("data-writable", "true")
    canvas.click()
    console.page.keyboard.type("from a person")
    console.page.keyboard.press("Enter")
    until(lambda: written(claude) == "from the agent\nfrom a person\n", 10, "the person's words")

    console.tab("terminal").typing()
    expect(console.screen).to_contain_text(READY)
    console.type_line("click again")
    (refusal,) = api.wait_for_request(6).tool_results
    assert f"user:owner has control of process {claude.pid} and of its desktop; wait until it is handed" in refusal
    console.at("handback").click()
    console.at("handback-note").fill("I typed a line")
    console.at("handback-confirm").click()
    assert "I typed a line" in api.wait_for_request(7).said
    said = "from the agent\nfrom a person\nand on\n"
    until(lambda: written(claude) == said, 20, "the agent's next words", lambda: written(claude))
    assert claude.get()["sandbox"]["tier"] == "docker"
    console.tab("desktop")
    expect(desktop).to_have_attribute("data-writable", "false")
