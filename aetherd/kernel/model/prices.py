"""What models cost: a dated table in the package, and over it what people configured. Sums are whole nanodollars."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aetherd.kernel.model.dialects import Wanted
from aetherd.kernel.model.meter import Usage
from aetherd.kernel.model.models import Price

DATED = re.compile(r"(?:-\d{4}-\d{2}-\d{2}|-\d{8}|@\d{8}|-latest|-\d{3}|:latest)$")  # a version of the same model
LOCAL = Price(input=0, output=0)  # Ollama's models run on somebody's own machine
KINDS = (
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "image_output",
    "audio_input",
    "audio_output",
)


@dataclass(frozen=True, slots=True)
class Table:
    """Prices by provider/model, where they are from, and when they were looked at."""

    date: str
    source: str
    models: Mapping[str, Price]


@cache
def table() -> Table:
    """Read the table of the package; blocking, once."""
    found = json.loads(Path(__file__).with_name("prices.json").read_text("utf-8"))
    return Table(found["date"], found["source"], {name: Price(**one) for name, one in found["models"].items()})


def find(provider: str, model: str, own: Mapping[str, Price], *, local: bool = False) -> Price | None:
    """Return what a model costs; None when nobody knows. A dated version costs what its model does."""
    known = table().models
    for name in dict.fromkeys((model, DATED.sub("", model))):
        if found := own.get(f"{provider}/{name}") or known.get(f"{provider}/{name}"):
            return found
    return own.get(f"{provider}/*") or (LOCAL if local else None)


def factor(price: Price, tier: str | None) -> float:
    """Return by how much a way to be served is dearer or cheaper."""
    return (price.factors or {}).get(tier or "", 1.0)


def cost(price: Price, usage: Usage, tier: str | None = None) -> int:
    """Return nanodollars, rounded up."""
    sent = usage.input + usage.cache_read + usage.cache_write + usage.cache_write_1h + usage.audio_input
    total = sum(getattr(usage, kind) * _rate(price, kind, sent) for kind in KINDS)
    total = round(total * factor(price, usage.tier if usage.tier in (price.factors or {}) else tier))
    return int(-(-total // 1_000_000)) + usage.searches * round((price.search or 0) * 1e9)


def most(price: Price, want: Wanted) -> int:
    """Return the nanodollars that a call can cost at most."""
    return bound(price, want, want.input_bound(price.context), want.output_bound(price.most_output))


def bound(price: Price, want: Wanted, sent: int, got: int) -> int:
    """Return the nanodollars that so many tokens cost at most, whatever kinds they are of."""
    into = max(_rate(price, kind, sent) for kind in ("input", "cache_write", "cache_write_1h", "audio_input"))
    out = max(_rate(price, kind, sent) for kind in ("output", "image_output", "audio_output"))
    total = round((sent * into + got * out) * max(1.0, factor(price, want.tier)))
    return -(-total // 1_000_000) + want.hosted * round((price.search or 0) * 1e9)


def _rate(price: Price, kind: str, sent: int) -> int:
    """Return nanodollars for a million tokens of a kind; one without a price of its own costs what its like does."""
    over = price.over if price.over is not None and sent > price.over.tokens else None
    for name in (kind, "output" if kind.endswith("output") else "input"):
        for place in (over, price):
            found: float | None = getattr(place, name, None)
            if found is not None:
                return round(found * 1e9)
    return 0
