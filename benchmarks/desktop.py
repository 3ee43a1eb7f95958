"""Measure a desktop: until it is painted, a picture of it, and a key until the browser shows what it did.

    python benchmarks/desktop.py [--rounds 30] [--quick] [--json]

Start: `desktop.start` with an xterm until the daemon sees the window's pixels, over HTTP. Picture: `desktop.screenshot`
of 1280x800 as PNG, over HTTP; compared, where it is installed, with
`scrot` started on the same display.
Key: keydown in Chromium on noVNC in the console, through the gate, until the pixels below the cursor have changed on
the page's canvas; looked at once per animation frame, so up to 16 ms of it is the looking.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from lab import Daemon, Row, arguments, median, report

PLACE = {"x": 640, "y": 300, "colour": "#ffffff"}
CHROMIUM = Path("/usr/bin/chromium")
WATCH = """([x, y, w, h]) => {
  const canvas = document.querySelector('[data-testid=desktop] canvas'), see = canvas.getContext('2d');
  const look = () => new Uint32Array(see.getImageData(x, y, w, h).data.buffer).reduce((a, b) => (a * 31 + b) | 0, 0);
  window.found = null;
  const before = look();
  addEventListener('keydown', () => {
    const began = performance.now();
    const again = () => look() === before ? requestAnimationFrame(again) : (window.found = performance.now() - began);
    again();
  }, { once: true, capture: true });
}"""


def start(house: Daemon, pid: int) -> float:
    """Return the milliseconds from the call to a window that is seen."""
    began = time.perf_counter()
    house.call("desktop.start", pid=pid, argv=["xterm", "-maximized", "-e", "cat"])
    assert house.call("desktop.wait_for", pid=pid, pixel=PLACE)["met"]
    return (time.perf_counter() - began) * 1000


def pictures(house: Daemon, pid: int, rounds: int) -> tuple[list[float], list[float]]:
    """Return milliseconds per picture, ours and scrot's (none without it)."""
    env = {**os.environ, **house.call("desktop.info", pid=pid)["env"]}
    ours, other = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        house.call("desktop.screenshot", pid=pid)
        ours.append((time.perf_counter() - began) * 1000)
        if shutil.which("scrot"):
            began = time.perf_counter()
            subprocess.run(["scrot", "-o", "/dev/shm/aether-shot.png"], env=env, check=True)
            other.append((time.perf_counter() - began) * 1000)
    return ours, other


def presses(house: Daemon, pid: int, rounds: int) -> list[float]:
    """Return milliseconds per key in the console."""
    from playwright.sync_api import sync_playwright

    found: list[float] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(house.call("login")["url"])
        page.goto(f"http://127.0.0.1:{house.port}/agents/{pid}/desktop")
        page.get_by_test_id("desktop-take").click()
        canvas = page.get_by_test_id("desktop").locator("canvas")
        page.locator("[data-testid=desktop][data-writable=true]").wait_for()
        canvas.click(position={"x": 300, "y": 300})
        for _ in range(rounds):
            page.evaluate(WATCH, [0, 20, 640, 16])
            page.keyboard.press("x")
            page.wait_for_timeout(100)
            took = page.evaluate("window.found")
            if took is not None:
                found.append(took)
        browser.close()
    return found


def main() -> None:
    """Run it."""
    _, read = arguments(__doc__, 40, 15)
    options = read()
    with Daemon() as house:
        process = house.call("process.spawn", runtime="command", argv=["cat"], name="painter", sandbox={"tier": "host"})
        pid, starts = process["pid"], []
        for number in range(max(3, options.rounds // 5)):
            if number:
                house.call("desktop.stop", pid=pid)
            starts.append(start(house, pid))
        shots, scrots = pictures(house, pid, options.rounds)
        keys = presses(house, pid, options.rounds) if CHROMIUM.exists() else []
    bare = (median(scrots), "scrot") if scrots else (None, "")
    rows = [
        Row("desktop: start to a painted window", median(starts), "ms", target=1000),
        Row("desktop: screenshot, 1280x800 PNG", median(shots), "ms", *bare, target=60),
    ]
    if keys:
        rows.append(Row("desktop: key to changed pixels in the console", median(keys), "ms", target=25))
    report("Desktops", rows, options)


if __name__ == "__main__":
    main()
