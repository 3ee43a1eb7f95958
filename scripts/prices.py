"""Renew aetherd/kernel/model/prices.json: `python scripts/prices.py TABLE VERSION DATE`.

TABLE is `litellm/model_prices_and_context_window_backup.json` of that version of the package litellm (MIT), which
names the makers' price pages as its sources. Only figures are taken, for the makers that the gateway knows by name.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "aetherd" / "kernel" / "model" / "prices.json"
MAKERS = ("anthropic", "openai", "gemini")
KINDS = ("chat", "responses", "completion", "embedding")
RATES = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    "image_output": "output_cost_per_image_token",
    "audio_input": "input_cost_per_audio_token",
    "audio_output": "output_cost_per_audio_token",
}


def usd(value: Any) -> float | None:
    """Return USD for a million tokens."""
    return None if value is None else round(float(value) * 1e6, 6)


def price(found: dict[str, Any]) -> dict[str, Any]:
    """Return what the gateway keeps of a model."""
    made: dict[str, Any] = {name: usd(found.get(key)) for name, key in RATES.items()}
    made |= {"context": found.get("max_input_tokens"), "most_output": found.get("max_output_tokens")}
    if queries := found.get("search_context_cost_per_query"):
        made["search"] = max(queries.values())
    for key in found:
        if match := re.fullmatch(r"input_cost_per_token_above_(\d+)k_tokens", key):
            over = {name: usd(found.get(f"{base}_above_{match[1]}k_tokens")) for name, base in RATES.items()}
            made["over"] = {"tokens": int(match[1]) * 1000} | {k: v for k, v in over.items() if v is not None}
    factors = dict(found.get("provider_specific_entry") or {})
    for tier in ("priority", "flex"):
        pairs = [(found.get(f"{key}_{tier}"), found.get(key)) for key in RATES.values()]
        if ratios := [float(one) / float(base) for one, base in pairs if one and base]:
            factors[tier] = round(max(ratios), 4)
    made["factors"] = {name: value for name, value in factors.items() if isinstance(value, int | float)} or None
    return {name: value for name, value in made.items() if value is not None}


def main() -> None:
    """Write the table: a line per model, so that a difference can be read."""
    table, version, date = sys.argv[1:4]
    models: dict[str, dict[str, Any]] = {}
    for name, found in json.loads(Path(table).read_text()).items():
        maker = found.get("litellm_provider")
        if maker in MAKERS and found.get("mode") in KINDS and found.get("input_cost_per_token") is not None:
            models[f"{maker}/{name.removeprefix(f'{maker}/')}"] = price(found)
    head = {"date": date, "source": f"litellm {version}, model_prices_and_context_window_backup.json", "unit": "USD/M"}
    lines = [f"  {json.dumps(name)}: {json.dumps(made)}" for name, made in sorted(models.items())]
    OUT.write_text(json.dumps(head)[:-1] + ', "models": {\n' + ",\n".join(lines) + "\n}}\n")
    sys.stdout.write(f"{len(lines)} models\n")


if __name__ == "__main__":
    main()
