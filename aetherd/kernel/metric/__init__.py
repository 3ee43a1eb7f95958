"""What is counted and timed: the series of /metrics, and traces where a collector is configured."""

from aetherd.kernel.metric.service import MetricService

__all__ = ["MetricService"]
