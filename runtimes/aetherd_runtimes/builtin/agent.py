"""Puts an agent together from its settings: the demonstration, or a model with what surrounds it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace

from aetherd_runtimes.builtin.conversation import Conversation
from aetherd_runtimes.builtin.demo import Demo
from aetherd_runtimes.builtin.door import Door
from aetherd_runtimes.builtin.hands import Hands
from aetherd_runtimes.builtin.inbox import Inbox
from aetherd_runtimes.builtin.loop import Loop, Settings
from aetherd_runtimes.builtin.protocol import Mouth


def main(arguments: Sequence[str]) -> int:
    """Run the agent on stdin and stdout; return the exit status."""
    settings = Settings()
    if arguments:
        with open(arguments[0], encoding="utf-8") as file:
            settings = Settings(**json.load(file))
    settings = replace(settings, session=settings.session or os.urandom(16).hex())
    mouth = Mouth()

    def trouble(text: str) -> None:
        mouth.emit("trouble", text=text)

    inbox = Inbox(trouble)
    door = Door(
        os.environ.get("AETHER_SOCKET") or None,
        os.environ.get("AETHER_TOKEN", ""),
        inbox.wait,
        trouble,
        settings.version,
    )
    hands = Hands(door, inbox, mouth.emit, settings.choice is not None)
    try:
        if settings.choice is None:
            said = Conversation(settings.context, None, trouble)
            return Loop(settings, Demo(), hands, door, inbox, mouth, said, None).run()
        return _with_model(settings, hands, door, inbox, mouth).run()
    except BrokenPipeError:
        return 1  # nobody listens any more


def _with_model(settings: Settings, hands: Hands, door: Door, inbox: Inbox, mouth: Mouth) -> Loop:
    # loaded here: the demonstration has no use for HTTP, TLS and what they take of memory
    from aetherd_runtimes.builtin import prompt
    from aetherd_runtimes.builtin.choice import Choice, window_of
    from aetherd_runtimes.builtin.client import Client, key_of
    from aetherd_runtimes.builtin.compaction import Compactor

    def trouble(text: str) -> None:
        mouth.emit("trouble", text=text)

    choice = Choice(**(settings.choice or {}))
    window = settings.window or window_of(choice)
    client = Client(choice, key_of(choice, settings.token), window, os.environ, inbox.wait)
    path = os.path.join(settings.record, f"{settings.session}.jsonl") if settings.record else None
    said = Conversation(prompt.system(settings.context, os.getcwd()), path, trouble)
    if settings.resume and not said.resume():
        trouble(f"there is no conversation {settings.session} to go on in: it begins anew")
    return Loop(settings, client, hands, door, inbox, mouth, said, Compactor(client, window, trouble))
