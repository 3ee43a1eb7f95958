"""aetherd: one daemon that hosts agent runtimes as supervised processes."""

__version__ = "0.1.0"
