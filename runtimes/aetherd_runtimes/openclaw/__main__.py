"""Run the bridge: this file with `-I -S` and its settings, a JSON file."""

from __future__ import annotations

import os
import sys

if not __package__:  # run as a file with -I -S: then the directory of our package is not on the path
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from aetherd_runtimes.bridge.life import demand_python

demand_python()

from aetherd_runtimes.openclaw.settings import read  # noqa: E402


def main() -> int:
    """Run in the mode the settings say; return the exit status."""
    settings = read(sys.argv[1])
    sys.path += settings.libraries  # where `websockets` is
    if settings.mode == "tui":
        from aetherd_runtimes.openclaw.screen import show

        return show(settings)
    from aetherd_runtimes.openclaw.bridge import serve

    return serve(settings)


if __name__ == "__main__":
    sys.exit(main())
