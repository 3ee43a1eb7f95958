"""Others than the owner, for tests of who may see what."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faces import Faces


@dataclass(frozen=True)
class Hosted:
    """A process that sleeps, and the token with which its runtime would come."""

    pid: int
    agent: str
    name: str
    token: str


async def hosted(faces: Faces, *, toolset: str = "all") -> Hosted:
    """Spawn a process of an agent of its own."""
    spawned = await faces.running.invoke("process.spawn", {"runtime": "command", "argv": ["sleep", "1000"]})
    tokens = faces.running.kernel.rooms["token"]
    token = await faces.running.kernel.store.write(
        lambda tx: tokens.make_process_token(
            tx, agent=spawned.agent, pid=spawned.pid, toolset=toolset, user="owner", org="home"
        )
    )
    return Hosted(spawned.pid, spawned.agent, spawned.name, token)
