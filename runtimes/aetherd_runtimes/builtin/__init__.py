"""The builtin agent: a think-act-observe loop in its own process, standard library only.

`protocol` is what it says and hears on stdio, `inbox` hears, `door` calls aetherd's tools over MCP, `shell` runs
commands, `hands` joins both and asks a person; `guard` marks what comes from outside. `model` is the seam where a
model is plugged in: `choice` says which, `client` asks it over `wire` in one of `dialects`. `conversation` is what was
said, and its record; `compaction` keeps it within the window; `loop` joins all, `agent` puts it together.
`demo` is the model where none is configured: a scripted demonstration, whose own language is in `script`.
Nothing here imports the rest of aetherd: the process must start fast and stay small.
"""
