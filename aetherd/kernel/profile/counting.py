"""From runs to figures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aetherd.kernel.profile.models import Durations, LastRun
from aetherd.kernel.profile.ports import Run


def figures(runs: Sequence[Run]) -> dict[str, Any]:
    """Return what a profile says of runs, newest first."""
    ended = [run for run in runs if run.exited_at is not None]
    outcomes = Counter(run.outcome for run in ended)
    return {
        "runs": len(runs),
        "running": len(runs) - len(ended),
        "outcomes": dict(outcomes.most_common()),
        "success_rate": round(outcomes["completed"] / len(ended), 4) if ended else None,
        "cost_usd": round(sum(run.cost_usd for run in runs), 6),
        "input_tokens": sum(run.input_tokens for run in runs),
        "output_tokens": sum(run.output_tokens for run in runs),
        "durations": _durations(ended),
        "runtimes": dict(Counter(run.runtime for run in runs).most_common()),
        "models": dict(Counter(run.model for run in runs if run.model).most_common()),
        "last_run": _last(runs[0]) if runs else None,
    }


def _durations(ended: Sequence[Run]) -> Durations | None:
    spans = sorted(
        (datetime.fromisoformat(run.exited_at) - datetime.fromisoformat(run.started_at)).total_seconds()
        for run in ended
        if run.started_at is not None and run.exited_at is not None
    )
    if not spans:
        return None
    p50, p90 = (spans[math.ceil(share * len(spans)) - 1] for share in (0.5, 0.9))
    return Durations(p50_s=round(max(0.0, p50), 3), p90_s=round(max(0.0, p90), 3))


def _last(run: Run) -> LastRun:
    return LastRun(**{name: getattr(run, name) for name in LastRun.model_fields})
