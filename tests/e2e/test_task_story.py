"""The queue under kill -9: what was given out stays given out, and nothing is given out twice."""

from __future__ import annotations

import http.client
import threading

from tests.e2e.claude_lab import Claude, aether, model, real, says
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


@real
def test_a_real_claude_code_does_a_task_it_is_given_through_a_kill_of_the_daemon(own: Daemon) -> None:
    task = own.call("task.create", title="sweep the cellar", text="all of it")["id"]
    claim = aether("tool_call", name="task.claim", input={"id": task})
    complete = aether("tool_call", name="task.complete", input={"id": task, "result": "it shines"})
    working = {"text": ["I sweep ", {"hold": "go"}, "and finish."]}
    with model(says("I begin.", claim), says(working, complete), says("Swept.")) as api:
        claude = Claude(own, api, None, sandbox={"tier": "host"})  # so that its model's answer does not break off
        own.call("task.delegate", id=task, to=claude.name)
        request = api.wait_for_request(2)
        assert "sweep the cellar" in request.text + request.system
        held = own.call("task.get", id=task)
        assert (held["state"], held["holder"]) == ("claimed", f"agent:{claude.spawned['agent']}")
        own.kill()
        own.start()
        assert own.call("task.get", id=task)["due"] == held["due"]
        api.release("go")
        assert claude.wait()["text"] == "Swept."
    done = own.call("task.get", id=task)
    assert (done["state"], done["result"], done["attempt"]) == ("done", "it shines", 1)
    inbox = own.call("message.inbox")["messages"]
    assert [one["kind"] for one in inbox] == ["task_completed", "task_accepted"]
