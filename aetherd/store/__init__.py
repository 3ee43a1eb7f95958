"""The persistence floor: one writer thread, a pool of readers, one history of migrations."""

from aetherd.store.store import Store
from aetherd.store.writer import Recorder, RiderSlot, Tx, rider

__all__ = ["Recorder", "RiderSlot", "Store", "Tx", "rider"]
