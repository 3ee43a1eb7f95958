"""Fan-out of events over HTTP: our stream against the tutorial form, side by side.

    python benchmarks/fanout.py [--subscribers 1 100 1000] [--seconds 2]

Both are served by the same uvicorn (asyncio, h11) in one process; the client is a raw-socket program in
another. `ours` is GET /v1/events of a real house; `naive` is a queue per client, JSON per client, one write
per event (sse-starlette with dicts). A delivery is one event that has arrived at one subscriber.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import select
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.routing import Route

from aetherd.core.config import load
from aetherd.daemon.kernel import Kernel
from aetherd.daemon.rooms import ROOMS
from aetherd.events import Logged
from aetherd.web import web_app
from aetherd.web.server import Server, bind_tcp

GROUP = 100  # events per commit group under load
BODY = (
    '"type":"agent.text","at":"2026-11-20T12:00:00.000000Z","actor":"agent:agent_01m7wbgw59nxx3fz","call":null,'
    '"pid":7,"agent":"agent_01m7wbgw59nxx3fz","data":{"text":"' + "x" * 170 + '"}}'
)
DONE = b"fanout-is-done"


def client(port: int, path: str, token: str, subscribers: int) -> None:
    """Open the connections, say so, count what arrives until each has seen the last event; runs alone."""
    poll, sockets, tails = select.epoll(), {}, {}
    for _ in range(subscribers):
        sock = socket.create_connection(("127.0.0.1", port))
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"
        sock.sendall(request.encode())
        sockets[sock.fileno()] = sock
    for number, sock in sockets.items():
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(65536)
        assert b" 200 " in head[:20], head
        tails[number] = b""
        sock.setblocking(False)
        poll.register(number, select.EPOLLIN)
    print("ready", flush=True)
    started, events, open_ = 0.0, 0, set(sockets)
    while open_:
        for number, _ in poll.poll(30):
            data = sockets[number].recv(1 << 20)
            started = started or time.perf_counter()
            events += data.count(b"event: agent.text")
            if DONE in tails[number] + data or not data:
                open_.discard(number)
                poll.unregister(number)
            tails[number] = data[-32:]
    print(json.dumps({"seconds": time.perf_counter() - started, "events": events}), flush=True)


class Naive:
    """The tutorial form."""

    def __init__(self) -> None:
        self.queues: list[asyncio.Queue[dict[str, Any]]] = []

    async def stream(self, request: Request) -> EventSourceResponse:
        """Give each client its own queue."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.queues.append(queue)

        async def events() -> Any:
            while True:
                event = await queue.get()
                yield {"id": str(event["id"]), "event": event["type"], "data": json.dumps(event)}

        return EventSourceResponse(events(), ping=3600)


def logged(number: int, body: str = BODY) -> Logged:
    """Return an event as the log hands it out."""
    return Logged(number, "agent.text", 7, None, "owner", "home", body)


async def publish_ours(house: Any, until: float) -> None:
    """Publish as fast as the slowest subscriber takes, within the hub's own bounds."""
    hub, number = house.hub, house.hub.newest
    members = [subscriber for group in hub._groups.values() for subscriber in group]
    while time.perf_counter() < until:
        hub.publish([logged(number + i) for i in range(1, GROUP + 1)])
        number += GROUP
        while max(member._events for member in members) > 2000:
            await anyio.sleep(0.002)
        await anyio.sleep(0)
    hub.publish([logged(number + 1, BODY.replace("xxxxxxxxxxxxxx", DONE.decode(), 1))])


async def publish_naive(naive: Naive, until: float) -> None:
    """The same events, the same back-pressure."""
    number, event = 0, json.loads("{" + BODY)
    while time.perf_counter() < until:
        for _ in range(GROUP):
            number += 1
            for queue in naive.queues:
                queue.put_nowait({"id": number, **event})
        while max(queue.qsize() for queue in naive.queues) > 2000:
            await anyio.sleep(0.002)
        await anyio.sleep(0)
    for queue in naive.queues:
        queue.put_nowait({"id": number + 1, **event, "data": {"text": DONE.decode()}})


async def measure(subscribers: int, ours: bool, seconds: float) -> tuple[float, float]:
    """Return deliveries per second, and the server's CPU microseconds per delivery."""
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(load(home=Path(folder) / "home", port=0), ROOMS, {})
        async with kernel.running() as house, anyio.create_task_group() as group:
            web, naive = web_app(house), Naive()
            if not ours:
                web._router.routes.insert(0, Route("/naive", naive.stream))
            sock = bind_tcp("127.0.0.1", 0)
            server = Server(web)
            group.start_soon(server.serve, [sock])
            await server.up.wait()
            token = (house.settings.home / "secrets" / "owner.token").read_text().strip()
            path = "/v1/events" if ours else "/naive"
            arguments = ["--client", str(sock.getsockname()[1]), path, token, str(subscribers)]
            process = await asyncio.create_subprocess_exec(
                sys.executable, __file__, *arguments, stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
            while ours and house.hub._count < subscribers:
                await anyio.sleep(0.01)
            cpu, until = time.process_time(), time.perf_counter() + seconds
            await (publish_ours(house, until) if ours else publish_naive(naive, until))
            found = json.loads(await process.stdout.readline())
            cpu = time.process_time() - cpu
            await process.wait()
            server.should_exit = True
        return found["events"] / found["seconds"], cpu / found["events"] * 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--client", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        port, path, token, subscribers = options.client
        client(int(port), path, token, int(subscribers))
        return
    print(f"{len(BODY) + 60} bytes per event, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    head = f"{'subscribers':>11}  {'ours/s':>10}  {'us CPU':>7}  {'naive/s':>10}  {'us CPU':>7}  {'ratio':>6}"
    print(head)
    for subscribers in options.subscribers:
        ours, ours_cpu = anyio.run(measure, subscribers, True, options.seconds)
        naive, naive_cpu = anyio.run(measure, subscribers, False, options.seconds)
        print(
            f"{subscribers:>11}  {ours:>10,.0f}  {ours_cpu:>7.2f}  {naive:>10,.0f}  {naive_cpu:>7.2f}"
            f"  {ours / naive:>5.1f}x"
        )


if __name__ == "__main__":
    main()
