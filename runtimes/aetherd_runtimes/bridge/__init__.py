"""What bridges share: programs of ours that run an agent as their child and speak our lines to the daemon.

A bridge runs where the agent runs, with that place's own Python (3.11 or later), by file and with `-I -S`: it has the
standard library, and OpenClaw's `websockets` from beside aetherd. It never imports the daemon. Its lines are those of
`aetherd_runtimes.builtin.protocol`.
"""
