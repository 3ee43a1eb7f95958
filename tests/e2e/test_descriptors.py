"""The daemon runs out of file descriptors: it goes on, and takes connections again once some are free."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from pathlib import Path

from tests.e2e.daemon_lab import Daemon, until


def test_without_a_descriptor_left_the_daemon_lives_and_takes_connections_again(own: Daemon) -> None:
    agent = own.demo("wait message", "say done")["pid"]
    before, daemon = own.tree(agent), own.process
    assert daemon is not None
    descriptors = Path(f"/proc/{daemon.pid}/fd")
    most = max(64, len(os.listdir(descriptors)) + 16)
    _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (most, hard))
    with contextlib.ExitStack() as stack:
        for _ in range(most + 50):
            stack.enter_context(socket.create_connection(("127.0.0.1", own.port), timeout=5))
        until(lambda: len(os.listdir(descriptors)) >= most, 10, "every descriptor to be taken")
        until(lambda: "Too many open files" in own.log.read_text(), 10, "an accept to fail")
        assert daemon.poll() is None
    until(lambda: len(os.listdir(descriptors)) < most - 8, 20, "some to be free again")

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return bool(own.call("system.status"))
        return False

    until(answers, 20, "it to answer", lambda: own.log.read_text()[-2000:])
    assert (daemon.poll(), own.tree(agent)) == (None, before)
    own.call("process.send", pid=agent, text="go")
    assert own.wait(agent)["text"] == "done"
    assert own.log.read_text().count("Too many open files") < 1000  # a shortage does not fill the disk as well
