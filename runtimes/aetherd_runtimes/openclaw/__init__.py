"""The bridge to OpenClaw: a gateway of the agent's own as our child, driven over its WebSocket protocol (version 4).

`gateway` is the child and its configuration, `wire` the connection to it, `turns` what its events mean, `bridge` joins
them with the daemon's lines; `screen` is the person's turn: OpenClaw's own terminal on the same conversation, and
`history` what was said there. The facts it stands on, and why it is so, are in docs/adr/0021-openclaw.md.
"""
