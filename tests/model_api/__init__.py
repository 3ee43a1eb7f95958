"""A test double: scripted model APIs on loopback, in every dialect our runtimes speak. No model is behind it.

In a test::

    with ModelApi({"steps": [{"reply": [{"text": "hello"}]}]}) as api:
        ...  # ANTHROPIC_BASE_URL=api.url, OPENAI_BASE_URL=f"{api.url}/v1", GOOGLE_GEMINI_BASE_URL=api.url
        api.wait_for_request(1)

By hand: `python -m tests.model_api --port 8800 --script script.json`.

The same script answers Anthropic messages, OpenAI chat completions and responses, Gemini and Ollama, streamed or
not: a request is brought into one form (that of Anthropic) before a script looks at it. `Request.body` is what came.

A script is a JSON object:

- `rules`: a list of steps with `when`; the first that matches answers. For several agents on one server.
- `steps`: a list of steps, used once each in order; one whose `when` does not match is passed over.
- `default`: the step when nothing else matches (the text "ok").
- `side`: the step for requests without tools (titles, summaries); `false` treats them like any other.
- `key`: the only credential that is accepted, wherever an SDK puts it; anything else is a 401.
- `models`: the names that are listed.

A step: `reply` (a list of blocks `{"text"}`, `{"thinking"}`, `{"tool_use": {"name", "input", "id"?}}`; in an input
"$task.id" is that part of the newest tool result that has it; a name "*_remember" is the first tool offered that
ends so, and when none does the answer says which there are),
`delay_ms` before the first byte, `chunk_delay_ms` between chunks, `chunk` (characters per chunk, 24),
`stall_ms` of silence before the last event, `ping_ms` between pings while waiting, `usage` (in Anthropic's names,
`input_tokens` without what the cache read; `reasoning_tokens` is part of `output_tokens`; `false` tells none),
`error` (`{"status", "type"?, "message", "retry_after"?, "headers"?, "code"?}`), `drop` (cut the connection after
that many chunks), `stop_reason`, `times` (a rule is used at most so often), `when`. Text may be a list of strings
mixed with `{"hold": NAME}` (wait for `release(NAME)` or `POST /__release/NAME`), `{"sleep_ms": N}` and
`{"raw": TEXT}` (written to the stream as it is: garbage, an error in mid-stream).
A step's own `hold` waits before the first byte.

`when` holds if all of its keys do: `said` (in the texts since the last assistant message), `first` (in the
first user message), `system` (in the system prompt or a system message), `text` (anywhere), `tool_result`
(true/false: the last message carries one; or a part of its text), `tool` (offered by name or "*ending"), `turns`
(number of assistant messages so far), `model`, `dialect` (anthropic, chat, responses, gemini, ollama), `not`
(another `when`).

Besides: token counts and lists of models in each dialect, `GET /__log`, `PUT /__script`. Any other GET is `{}`,
any other POST a 404 in the log.
"""

from tests.model_api.conversation import parsed, texts
from tests.model_api.request import Request
from tests.model_api.script import Script, holds
from tests.model_api.server import ModelApi

__all__ = ["ModelApi", "Request", "Script", "holds", "parsed", "texts"]
