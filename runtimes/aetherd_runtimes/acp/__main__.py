"""Run the bridge, by file and with `-I -S`: `__main__.py settings.json`."""

from __future__ import annotations

import os
import sys

if not __package__:  # then the directory of our package is not on the path
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from aetherd_runtimes.bridge.life import demand_python

demand_python()

from aetherd_runtimes.acp.client import main  # noqa: E402 - an older Python could not even read it

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
