"""Bytes between two sockets, both ways: plain copies in the loop's own callbacks, a third of what tasks cost."""

from __future__ import annotations

import asyncio
import socket

import anyio

TURNS = 8  # chunks passed on before others get their turn
_room = memoryview(bytearray(256 * 1024))  # of all: what cannot be passed on at once is copied out of it


async def relay(near: socket.socket, far: socket.socket, idle_s: float) -> None:
    """Copy until both sides have ended, one is gone, or nothing moved for `idle_s` seconds."""
    ended = anyio.Event()
    there, back = Pump(near, far, ended), Pump(far, near, ended)
    there.other, back.other = back, there
    try:
        there.start()
        back.start()
        seen = -1
        while not ended.is_set() and seen != there.moved + back.moved:
            seen = there.moved + back.moved
            with anyio.move_on_after(idle_s):
                await ended.wait()
    finally:
        there.stop()
        back.stop()


class Pump:
    """One of the two ways."""

    other: Pump

    def __init__(self, source: socket.socket, sink: socket.socket, ended: anyio.Event) -> None:
        self._source, self._sink, self._ended = source, sink, ended
        self._loop = asyncio.get_running_loop()
        self._rest = b""  # read, and not yet taken by the other side
        self.moved, self.done = 0, False

    def start(self) -> None:
        """Pass on what comes."""
        self._loop.add_reader(self._source, self._read)

    def stop(self) -> None:
        """Look at the sockets no more."""
        self._loop.remove_reader(self._source)
        self._loop.remove_writer(self._sink)

    def _read(self) -> None:
        try:
            for _ in range(TURNS):
                try:
                    size = self._source.recv_into(_room)
                except BlockingIOError:
                    return
                if not size:
                    self._end()
                    return
                if (sent := self._send(_room[:size])) < size:
                    self._rest = bytes(_room[sent:size])
                    self._loop.remove_reader(self._source)
                    self._loop.add_writer(self._sink, self._write)
                    return
        except OSError:  # a side is gone: so is the other
            self._ended.set()

    def _write(self) -> None:
        try:
            self._rest = self._rest[self._send(self._rest) :]
        except OSError:
            self._ended.set()
            return
        if not self._rest:
            self._loop.remove_writer(self._sink)
            self.start()

    def _send(self, data: memoryview | bytes) -> int:
        try:
            sent = self._sink.send(data)
        except BlockingIOError:
            return 0
        self.moved += sent
        return sent

    def _end(self) -> None:
        self.done = True
        self._loop.remove_reader(self._source)
        self._sink.shutdown(socket.SHUT_WR)
        if self.other.done:
            self._ended.set()
