"""The HTTP face: REST, server-sent events, WebSockets, byte channels, files and the console."""

from aetherd.web.app import Web, web_app

__all__ = ["Web", "web_app"]
