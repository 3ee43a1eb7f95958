"""The daemon is killed while messages are on their way: none is lost or told twice, no state is a lie."""

from __future__ import annotations

import http.client
import random
import re
import threading
from collections import Counter

from tests.e2e.daemon_lab import Daemon, until

MESSAGES, KILLS = 60, 3


def test_kills_in_the_middle_of_deliveries_lose_no_message_and_tell_none_twice(own: Daemon) -> None:
    chance = random.Random(7)
    listener = own.demo(*["wait message"] * 2 * MESSAGES, "say done", name="listener")["pid"]
    answered: dict[str, str] = {}
    over = threading.Event()

    def send() -> None:
        for number in range(MESSAGES):
            while not over.is_set():
                try:
                    sent = own.call("message.send", to="listener", text=f"text {number}", priority="now")
                except (OSError, http.client.HTTPException):  # it may have been taken: the next try is another message
                    over.wait(0.05)
                    continue
                answered[sent["id"]] = sent["state"]
                break

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        for kill in range(1, KILLS + 1):
            until(lambda mark=kill * MESSAGES // (KILLS + 2): len(answered) >= mark, 60, "some messages")
            threading.Event().wait(chance.uniform(0, 0.02))  # somewhere in a delivery
            own.restart()
        sender.join(60)
    finally:
        over.set()
    assert len(answered) == MESSAGES

    def inbox() -> dict[str, str]:
        found = own.call("message.inbox", agent="listener", limit=500)["messages"]
        return {one["id"]: one["state"] for one in found}

    until(lambda: set(inbox().values()) == {"delivered"}, 40, "all to be delivered", lambda: Counter(inbox().values()))
    told = [event["data"] for event in own.events(pid=listener, types="agent.told")]
    read = Counter(
        key
        for one in told
        if one["state"] == "delivered"
        for key in re.findall(r"\(message (message_\w+),", one["text"])
    )
    assert set(answered) <= set(inbox()), "what was accepted is lost"
    assert dict(read) == dict.fromkeys(inbox(), 1), "a message was told twice, or was said to be told and was not"
    delivered = Counter(e["data"]["message"] for e in own.events(types="message.delivered"))
    assert delivered == read
