"""The queue under kill -9: what was given out stays given out, and nothing is given out twice."""

from __future__ import annotations

import http.client
import threading

from tests.e2e.daemon_lab import Daemon, Refused, until

TASKS, WORKERS = 120, 4


def test_no_claim_is_lost_or_given_twice_when_the_daemon_is_killed_between(own: Daemon) -> None:
    for number in range(TASKS):
        own.call("task.create", title=str(number))
    got: list[str] = []

    def work() -> None:
        while True:
            try:
                task = own.call("task.claim")["task"]
            except (OSError, http.client.HTTPException, Refused):
                return  # the daemon is gone
            if task is None:
                return
            got.append(task["id"])

    def all_work(kill_at: int) -> None:
        workers = [threading.Thread(target=work) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        if kill_at:
            until(lambda: len(got) >= kill_at, 30, "some claims")
            own.kill()
        for worker in workers:
            worker.join(30)

    all_work(kill_at=TASKS // 3)
    before = list(got)
    own.start()
    held = {task["id"]: task["state"] for task in own.call("task.list", limit=500)["tasks"]}
    assert {held[key] for key in before} == {"claimed"}
    all_work(kill_at=0)
    assert len(got) == len(set(got))
    # One for each worker may be taken whose answer never came: its lease ends, and it comes back.
    assert TASKS - WORKERS <= len(got) <= TASKS
    done = own.call("task.complete", id=before[0], result="held through")
    assert done["state"] == "done"
