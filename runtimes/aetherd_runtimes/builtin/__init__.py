"""The builtin agent: a think-act-observe loop in its own process, standard library only.

`protocol` is what it says and hears on stdio, `inbox` hears, `door` calls aetherd's tools over MCP, `model`
is the seam where a model is plugged in, `loop` joins them. `demo` is the only model so far: a scripted
demonstration, whose own language is in `script`.
Nothing here imports the rest of aetherd: the process must start fast and stay small.
"""
