"""The command line that starts Chromium in a process's place, and the addresses it may be sent to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aetherd.core.errors import Invalid
from aetherd.operations.sandboxes import PROXY_PORT

PROFILE: Final = ".local/share/aetherd-browser"  # of the home
DOWNLOADS: Final = "downloads"  # of the home
# Debian's first: its `chromium` is a script that wants files in /etc, which a sandbox does not show.
PROGRAMS: Final = (
    "/usr/lib/chromium/chromium",
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
)
WIDTH, HEIGHT = 1280, 800
SCHEMES: Final = ("http", "https", "file", "data", "about")

# CDP goes over the pipes of the shim: no port that somebody else on this machine could connect to, and they outlive
# the daemon. Chromium's own sandbox stays on wherever a user may make a user namespace, which it is made of.
_SCRIPT: Final = """
mkdir -p "$PROFILE" "$DOWNLOADS" && rm -f "$PROFILE"/Singleton*
for each in {programs}; do program=$(command -v "$each") && break; done
[ -n "$program" ] || {{ echo "there is no Chromium here" >&2; exit 127; }}
[ "$(id -u)" != 0 ] && unshare -U true 2>/dev/null || set -- --no-sandbox "$@"
exec "$program" "$@" 3<&0 4>&1 </dev/null >/dev/null
""".format(programs=" ".join(PROGRAMS))

_ALWAYS: Final = (
    "--remote-debugging-pipe",
    f"--window-size={WIDTH},{HEIGHT}",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--mute-audio",
    "--password-store=basic",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-quic",
    "--disable-back-forward-cache",  # Playwright waits for a load that a page from there never has
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-hang-monitor",
    "--disable-prompt-on-repost",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider,AutofillServerCommunication",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
)
# A sandbox has no way out but the door's proxy, which resolves names itself; its own loopback is reached directly.
_SANDBOXED: Final = (
    f"--proxy-server=http://127.0.0.1:{PROXY_PORT}",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
)


def command(home: Path, tier: str, *, headless: bool) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment that start Chromium with the agent's profile."""
    profile = home / PROFILE
    words = [*_ALWAYS, f"--user-data-dir={profile}"]
    if tier != "host":
        words += _SANDBOXED
    if headless:
        words += ["--headless=new", "--hide-scrollbars"]
    env = {"PROFILE": str(profile), "DOWNLOADS": str(home / DOWNLOADS)}
    return ["/bin/sh", "-c", _SCRIPT, "sh", *words, "about:blank"], env


def address(url: str) -> str:
    """Return an address a tab may be sent to; raises `Invalid`. A name alone means https."""
    found = url.strip()
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*):(?!\d+(?:/|$))", found)
    if scheme is None:
        found = f"https://{found}"
    elif scheme[1].lower() not in SCHEMES:
        raise Invalid(f"url: {scheme[1]}: is no address for a tab; give http, https, file or data", field="url")
    if any(ord(character) < 32 for character in found):
        raise Invalid("url: not an address", field="url")
    return found
