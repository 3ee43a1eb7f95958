"""One shim per agent process: it owns the terminal or the pipes, and outlives the daemon.

The daemon uses `aetherd.shim.client` and `aetherd.shim.tree`; everything else here runs inside the zygote
or a shim. Nothing in this package imports from the rest of aetherd, and this file imports nothing at all:
the zygote loads it with a bare interpreter.
"""
