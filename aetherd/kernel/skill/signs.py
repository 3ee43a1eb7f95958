"""What a line of a skill can show that a person should look at before agents follow it."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Level = Literal["low", "medium", "high"]


class Sign(NamedTuple):
    """Something a line can show."""

    level: Level
    what: str
    pattern: re.Pattern[str]


def _sign(level: Level, what: str, *patterns: str) -> Sign:
    return Sign(level, what, re.compile("|".join(f"(?:{one})" for one in patterns), re.IGNORECASE))


# Repetitions are bounded and never stand within one another, so no line takes long.
SIGNS = (
    _sign(
        "high",
        "pipes a download into a shell",
        r"\b(?:curl|wget|fetch)\b[^|\n]{0,300}\|\s{0,9}(?:sudo\s{1,9})?(?:ba|z|da)?sh\b",
        r"\b(?:ba|z|da)?sh\b[^\n]{0,40}(?:<\(|\$\()\s{0,9}(?:curl|wget)\b",
    ),
    _sign(
        "high",
        "deletes recursively",
        r"\brm\s[^\n;|&]{0,60}-[a-z]{0,5}r",
        r"\brm\s[^\n;|&]{0,60}--recursive",
        r"shutil\.rmtree",
        r"\bfind\b[^\n]{0,200}-delete\b",
    ),
    _sign("high", "overwrites a disk", r"\bmkfs\b", r"\bdd\b[^\n]{0,100}\bof=/dev/", r">\s{0,9}/dev/sd[a-z]"),
    _sign(
        "high",
        "reads credentials",
        r"\.ssh/",
        r"\bid_(?:rsa|ed25519)\b",
        r"\.aws/credentials",
        r"\.netrc\b",
        r"\.credentials\.json",
        r"/etc/shadow",
        r"\.kube/config",
        r"\.git-credentials",
        r"\.docker/config\.json",
    ),
    _sign(
        "high",
        "takes keys from the environment",
        r"\b(?:ANTHROPIC|OPENAI|AWS|GITHUB|AETHER)_(?:API_KEY|AUTH_TOKEN|SECRET|TOKEN|ACCESS_KEY)",
    ),
    _sign(
        "high",
        "opens a connection back",
        r"/dev/tcp/",
        r"\bnc\b[^\n]{0,60}\s-[a-z]{0,5}e\b",
        r"\bbash\s{1,9}-i\s{1,9}>&",
    ),
    _sign(
        "high",
        "tells the model to set its instructions aside",
        r"\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|all|system|other)\b"
        r"[^.\n]{0,40}\b(?:instruction|rule|prompt|message)",
    ),
    _sign(
        "high",
        "tells the model to hide something from the person",
        r"\b(?:do not|don't|never|without)\b[^.\n]{0,30}\b(?:tell|inform|mention|show|ask|alert)[a-z]{0,3}\b"
        r"[^.\n]{0,30}\b(?:user|person|human|owner|operator)\b",
    ),
    _sign(
        "high",
        "tells the model to go without asking",
        r"\b(?:skip|bypass|disable|turn off)\b[^.\n]{0,40}\b(?:permission|approval|confirmation|sandbox|guard)",
        r"dangerously-skip-permissions",
        r"bypassPermissions",
    ),
    _sign("medium", "becomes root", r"\b(?:sudo|doas)\s", r"\bsu\s{1,9}-"),
    _sign("medium", "changes rights widely", r"\bchmod\s{1,9}(?:-R\s{1,9})?(?:a\+rwx|0?777)", r"\bsetcap\b"),
    _sign(
        "medium",
        "makes something that starts by itself",
        r"\bcrontab\b",
        r"/etc/cron",
        r"systemctl\s{1,9}enable",
        r"\.bashrc\b",
        r"\.profile\b",
        r"/etc/init\.d",
    ),
    _sign(
        "medium",
        "runs text as code",
        r"\beval\s{0,9}[\"'(`$]",
        r"\bexec\s{0,9}\(",
        r"base64\s{1,9}(?:-d|--decode)",
        r"\bpickle\.loads?\(",
        r"os\.system\(",
    ),
    _sign(
        "medium",
        "talks to the network",
        r"\b(?:curl|wget|scp|rsync|ssh|ftp)\s{1,9}\S",
        r"requests\.(?:get|post)",
        r"urllib\.request",
        r"\bhttpx\.",
        r"socket\.socket",
        r"\bfetch\(",
    ),
    _sign(
        "medium",
        "publishes",
        r"\bgit\s{1,9}push\b",
        r"\bnpm\s{1,9}publish\b",
        r"\btwine\s{1,9}upload\b",
        r"\bdocker\s{1,9}push\b",
        r"\bkubectl\s{1,9}(?:apply|delete)\b",
        r"\bterraform\s{1,9}(?:apply|destroy)\b",
    ),
    _sign(
        "medium",
        "installs software",
        r"\b(?:pip3?|npm|pnpm|yarn|apt|apt-get|cargo|gem|brew)\s{1,9}(?:install|add|i)\b",
    ),
    _sign(
        "medium",
        "holds characters that cannot be seen",
        "[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f]",
    ),
)
