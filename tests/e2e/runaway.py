"""A runaway agent for tests and benchmarks: eight threads that call a model through the gateway and never give up.

    with costly_model(seed) as (api, script), Daemon(env=keys(api)) as daemon:
        run = runaway(daemon, budget=0.5)
        daemon.ended(run["pid"])
        assert ledger(daemon, run["pid"])[0] == script.sum(len(api.requests))

It asks until it was refused REFUSALS times in each thread; a daemon that is away is waited for. Each answer has another
usage, by the seed; the script knows what each cost.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.e2e.daemon_lab import Daemon
from tests.model_api import ModelApi

THREADS, REFUSALS, MOST = 8, 3, 1000
MODEL, INPUT, OUTPUT = "claude-sonnet-4-5", 3_000, 15_000  # nanodollars for a token, as in the table of prices
KEY = "dummy-key-for-tests"

AGENT = """
import http.client, json, os, socket, threading, time
threads, refusals, most, model, hold = {threads}, {refusals}, {most}, {model!r}, {hold}

class Door(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.path.join(os.path.dirname(os.environ["AETHER_SOCKET"]), "h"))

def ask(number):
    body = {{"model": model, "max_tokens": most, "stream": bool(number % 2),
             "messages": [{{"role": "user", "content": "go on"}}]}}
    door = Door("127.0.0.1", timeout=120)
    try:
        door.request("POST", "/llm/anthropic/v1/messages", json.dumps(body),
                     {{"x-api-key": os.environ["AETHER_TOKEN"], "content-type": "application/json"}})
        answer = door.getresponse()
        return answer.status, answer.read().decode()
    finally:
        door.close()

def run(number):
    refused, until = 0, time.monotonic() + 120
    while refused < refusals and time.monotonic() < until:
        try:
            status, text = ask(number)
        except (OSError, http.client.HTTPException):  # the daemon is away
            time.sleep(0.1)
            continue
        if status != 200:
            refused += 1
            print(status, text, flush=True)
            time.sleep(0.05)

crowd = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
for one in crowd: one.start()
for one in crowd: one.join()
print("over", flush=True)
while hold: time.sleep(1)
"""


@dataclass(frozen=True, slots=True)
class Costly:
    """What the script's answers cost, in the order in which they are given."""

    nano: tuple[int, ...]

    def sum(self, answers: int) -> int:
        """Return what the first so many answers cost."""
        assert answers <= len(self.nano), "the script has run out of answers"
        return sum(self.nano[:answers])


@contextmanager
def costly_model(seed: int = 0, answers: int = 400, **step: Any) -> Iterator[tuple[ModelApi, Costly]]:
    """Serve answers of random usage, below what is asked for at most."""
    chance = random.Random(seed)
    usages = [{"input_tokens": chance.randint(1, 60), "output_tokens": chance.randint(1, MOST)} for _ in range(answers)]
    steps = [{"reply": [{"text": "on and on"}], "usage": usage, **step} for usage in usages]
    nano = tuple(one["input_tokens"] * INPUT + one["output_tokens"] * OUTPUT for one in usages)
    with ModelApi({"steps": steps, "side": False}) as api:
        yield api, Costly(nano)


def keys(api: ModelApi) -> dict[str, str]:
    """Return the daemon's environment: the key is its own, and no agent's."""
    return {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api.url}


def runaway(daemon: Daemon, *, threads: int = THREADS, hold: bool = False, **wish: Any) -> dict[str, Any]:
    """Start it."""
    text = AGENT.format(threads=threads, refusals=REFUSALS, most=MOST, model=MODEL, hold=hold)
    return daemon.spawn("command", argv=["/usr/bin/python3", "-I", "-S", "-c", text], **wish)


def ledger(daemon: Daemon, pid: int) -> tuple[int, int]:
    """Return the sum of a run's calls in the ledger's own file, and the most that one of them was thought to cost.

    What is kept of a run as a sum must be the same, with nothing set aside any more.
    """
    with closing(sqlite3.connect(f"file:{daemon.home}/aether.db?mode=ro", uri=True)) as file:
        calls, most = file.execute("SELECT sum(nano), max(most_nano) FROM quota_call WHERE pid = ?", (pid,)).fetchone()
        kept = file.execute(
            "SELECT nano, reserved_nano FROM quota_spent WHERE kind = 'run' AND of = ?", (str(pid),)
        ).fetchone()
    assert kept == (calls, 0)
    return int(calls), int(most)
