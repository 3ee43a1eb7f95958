"""One epoll and who handles which descriptor."""

from __future__ import annotations

import os
import select

TYPE_CHECKING = False  # the module typing is not worth its memory in every shim
if TYPE_CHECKING:
    from collections.abc import Callable

IN, OUT, HANGUP = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP


class Loop:
    """Wait for descriptors and call their handlers; nothing here may block but `turn` itself."""

    __slots__ = ("_epoll", "_handlers", "_masks")

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._masks: dict[int, int] = {}
        self._handlers: dict[int, Callable[[int], object]] = {}

    def want(self, descriptor: int, mask: int, handler: Callable[[int], object] | None = None) -> None:
        """Wait for these events; the first call for a descriptor names its handler.

        With no events the descriptor leaves the epoll, which would tell of a hang-up for ever.
        """
        before = self._masks.get(descriptor, 0)
        if handler is not None:
            self._handlers[descriptor] = handler
        if mask == before:
            return
        if not mask:
            self._epoll.unregister(descriptor)
        elif not before:
            self._epoll.register(descriptor, mask)
        else:
            self._epoll.modify(descriptor, mask)
        self._masks[descriptor] = mask

    def forget(self, descriptor: int) -> None:
        """Stop waiting, before the descriptor is closed and its number used again."""
        self.want(descriptor, 0)
        self._masks.pop(descriptor, None)
        self._handlers.pop(descriptor, None)

    def close(self, descriptor: int) -> None:
        """Forget and close."""
        self.forget(descriptor)
        os.close(descriptor)

    def turn(self, seconds: float) -> None:
        """Wait up to `seconds` (-1: for ever) and handle what happened."""
        for descriptor, mask in self._epoll.poll(seconds):
            handler = self._handlers.get(descriptor)
            if handler is not None:  # else an earlier event of this turn closed it
                handler(mask)
