"""`aetherd`, and `python -m aetherd`: the daemon."""

from __future__ import annotations

import gc


def main() -> None:
    """Run the daemon."""
    gc.disable()  # until it is ready: imports and start make no garbage worth an eighth of their time
    from aetherd.daemon.app import main as run

    run()


if __name__ == "__main__":
    main()
