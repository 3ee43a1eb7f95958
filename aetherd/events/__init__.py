"""Things that happened: the append-only log and its fan-out."""

from aetherd.events.event import Event, Frame
from aetherd.events.hub import Batch, Filter, Hub, Resync, Subscriber
from aetherd.events.log import EventLog, Logged

__all__ = ["Batch", "Event", "EventLog", "Filter", "Frame", "Hub", "Logged", "Resync", "Subscriber"]
