"""Serve a script by hand."""

from __future__ import annotations

import argparse
import contextlib
import json
import threading

from tests.model_api import ModelApi


def main() -> None:
    """Serve a script until interrupted."""
    parser = argparse.ArgumentParser(description="Scripted model APIs (a test double).")
    parser.add_argument("--port", type=int, default=8800)
    parser.add_argument("--script", type=argparse.FileType("r"))
    options = parser.parse_args()
    api = ModelApi(json.load(options.script) if options.script else {}, port=options.port)
    with api, contextlib.suppress(KeyboardInterrupt):
        print(api.url, flush=True)  # noqa: T201 - the one line a caller waits for
        threading.Event().wait()


if __name__ == "__main__":
    main()
