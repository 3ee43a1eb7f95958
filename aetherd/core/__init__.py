"""The ground floor: no I/O, no async, imports nothing of ours."""
