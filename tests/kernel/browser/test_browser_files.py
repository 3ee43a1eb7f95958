"""Pages of files: what never ends or leads nowhere holds nobody up, and what is not the agent's is not shown."""

from __future__ import annotations

import os
from contextlib import suppress

import anyio
import pytest

from aetherd.core.errors import Conflict, Invalid, NotFound, Unavailable
from aetherd.kernel.browser import using
from tests.kernel.browser.conftest import Surfer

pytestmark = pytest.mark.anyio


async def test_pages_of_pipes_devices_and_sparse_files_hold_nobody_up_and_none_shows_a_secret(
    surfer: Surfer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(using, "DONE_S", 3.0)  # the bound of every operation, 45 s
    home = surfer.home
    os.mkfifo(home / "pipe")
    with (home / "huge.txt").open("wb") as file:
        file.truncate(1 << 40)
    (home / "link").symlink_to(surfer.lab.home / "secrets")
    (home / "good.html").write_text("<title>Good</title>fine")
    places = ["/dev/zero", f"{home}/pipe", f"{home}/huge.txt", f"{home}/link/owner.token", f"{home}/link/"]
    places += [f"{surfer.lab.home}/aether.db", f"{home}/%2e%2e/%2e%2e/%2e%2e/secrets/"]
    secret = (surfer.lab.home / "secrets" / "owner.token").read_text().strip()
    with anyio.fail_after(60):
        for place in places:
            tab = (await surfer("open")).tab
            with suppress(Invalid, Conflict, NotFound, Unavailable):  # no page, or one that is busy
                await surfer("navigate", tab=tab, url=f"file://{place}", timeout_s=1)
                assert secret not in (await surfer("snapshot", tab=tab)).text
            await surfer("close", tab=tab)
        assert sum(one.stat().st_size for one in home.glob("downloads/*")) < 1 << 30
        monkeypatch.undo()
        good = await surfer("open", url=f"file://{home}/good.html")
        assert (await surfer("snapshot", tab=good.tab)).title == "Good"
