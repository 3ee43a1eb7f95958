"""Run the builtin agent: `python -m aetherd_runtimes.builtin [settings.json]`, or this file with `-I -S`."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)  # nothing is buffered, so nothing is lost; no step may hold the end back


for _number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(_number, _leave)

if not __package__:  # run as a file with -I -S: then the directory of our package is not on the path
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from aetherd_runtimes.builtin.agent import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
