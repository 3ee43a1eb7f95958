"""Steps run in an agent's place, bounded, and what is put into them is never executed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from aetherd.core import outbound
from aetherd.core.errors import Forbidden, Invalid
from fakes import Estate
from tests.kernel.skill.conftest import Pair, fresh, plain, steps

pytestmark = pytest.mark.anyio

BOXES = """
inputs:
  where: {type: text, description: which shelf}
  most: {type: number, default: 10}
steps:
  - {name: note, kind: fs, op: write, path: work/boxes.txt, content: "{{ inputs.where }}\\nb\\n"}
  - {name: count, kind: shell, run: 'wc -l < boxes.txt; id -u; echo "$WHERE"; sh "$SKILL_DIR/scripts/hi.sh"', env: {WHERE: "{{ inputs.where }}"}}
  - {name: parts, kind: transform, value: "{{ steps.count.out }}", do: [{text: lines}]}
  - {name: alarm, kind: shell, run: exit 3, when: {value: "{{ steps.parts.out.0 }}", above: 5}}
  - {name: back, kind: fs, op: read, path: work/boxes.txt}
out: {lines: "{{ steps.parts.out }}", file: "{{ steps.back.out }}", alarm: "{{ steps.alarm.state }}"}
tests:
  - {name: left, inputs: {where: left}, contains: left}
  - {name: wrong, inputs: {where: left}, contains: right}
"""  # noqa: E501


async def test_steps_run_as_the_agent_in_its_home_with_what_they_are_given(pair: Pair) -> None:
    made = await pair("ann", "create", **steps(fresh(), BOXES, **{"scripts/hi.sh": "echo hi\n"}))
    assert (made.runnable, made.permissions) == (True, ["files", "shell"])
    where = "$(touch /tmp/x); `id`"
    done = await pair("ann", "run", skill=made.id, inputs={"where": where})
    assert (done.outcome, done.problem) == ("completed", None)
    own = pair.agents["ann"].uid
    assert done.out["lines"] == ["2", str(own if pair.lab.kernel.lifecycle.own_uids else 0), where, "hi"]
    assert (done.out["file"], done.out["alarm"]) == (f"{where}\nb\n", "skipped")
    assert (pair.home("ann") / "work" / "boxes.txt").stat().st_uid == own
    await pair.lab.event("skill.finished", skill=made.id, test=False, outcome="completed")
    with pytest.raises(Invalid, match="where is missing: which shelf"):
        await pair("ann", "run", skill=made.id)
    with pytest.raises(Invalid, match="most is not a number"):
        await pair("ann", "run", skill=made.id, inputs={"where": "x", "most": "many"})
    with pytest.raises(Forbidden):
        await pair("ann", "run", skill=made.id, inputs={"where": "x"}, agent=pair.agents["bob"].id)
    assert not [one for one in (pair.lab.home / "shim").iterdir() if "skill" in one.name]


async def test_it_is_tried_by_an_agent_that_is_gone_afterwards(pair: Pair) -> None:
    made = await pair("ann", "create", **steps(fresh(), BOXES, **{"scripts/hi.sh": "echo hi\n"}))
    agents = [one.id for one in (await pair.lab("agent.list", archived=True)).agents]
    tried = await pair("ann", "test", skill=made.id)
    assert [(case.name, case.passed) for case in tried.cases] == [("files", True), ("left", True), ("wrong", False)]
    assert "does not contain right" in tried.cases[2].problem
    assert (tried.passed, (await pair("ann", "test", skill=made.id, inputs={"where": "x"})).passed) == (False, True)
    assert [one.id for one in (await pair.lab("agent.list", archived=True)).agents] == agents
    assert not (pair.home("ann") / "work" / "boxes.txt").exists()
    homes = [one.name for one in (pair.lab.home / "agents").iterdir()]
    assert len(homes) == len([name for name in homes if name in agents])


async def test_a_skill_for_reading_is_looked_over(pair: Pair) -> None:
    raw = plain(fresh(), text="See [this](notes.md).\n", files={"a.sh": "if then\n", "b.py": "def\n"})
    tried = await pair("ann", "test", skill=(await pair("ann", "create", **raw)).id)
    [case] = tried.cases
    assert not tried.passed
    assert all(word in case.problem for word in ("links to notes.md", "a.sh: exited", "b.py: exited"))
    with pytest.raises(Invalid, match=r"no steps to run.*skill\.get"):
        await pair("ann", "run", skill=raw["name"])


async def test_a_shell_step_has_walls_and_no_network_and_its_sandbox_ends_with_it(pair: Pair, walls: str) -> None:
    if walls == "host":
        pytest.skip("bubblewrap does not work here")
    look = "grep Seccomp: /proc/self/status; tail -n +3 /proc/net/dev | cut -d: -f1; ls -d /root /home; exit 0"
    made = await pair("ann", "create", **steps(fresh(), f"steps: [{{name: look, kind: shell, run: '{look}'}}]"))
    done = await pair("ann", "run", skill=made.id)
    assert (done.outcome, done.out.split()) == ("completed", ["Seccomp:", "2", "lo"])
    assert [place.name for place in (pair.lab.home / "shim").glob("h-*")] == []


async def test_a_step_that_fails_or_takes_too_long_ends_the_run_unless_it_is_optional(pair: Pair) -> None:
    recipe = """
steps:
  - {name: maybe, kind: shell, run: echo lost >&2; exit 4, optional: true}
  - {name: slow, kind: shell, argv: [sleep, "100"], timeout_s: 0.3}
  - {name: never, kind: transform, value: 1}
"""
    made = await pair("ann", "create", **steps(fresh(), recipe))
    done = await pair("ann", "run", skill=made.id)
    assert (done.outcome, done.problem) == ("failed", "step slow: it was not done in 0.3 s")
    assert [(one.name, one.state, one.code) for one in done.steps] == [("maybe", "failed", 4), ("slow", "failed", None)]
    assert done.steps[0].problem == "exited with code 4: lost"


async def test_a_model_step_without_a_runtime_that_has_a_model_says_so(pair: Pair) -> None:
    made = await pair("ann", "create", **steps(fresh(), "steps: [{name: ask, kind: model, prompt: hello}]"))
    done = await pair("ann", "run", skill=made.id)
    assert "no runtime named 'claude-code'" in done.problem


class Page(BaseHTTPRequestHandler):
    """Answers JSON of what came; `/away` leads elsewhere."""

    def do_POST(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("location", "http://169.254.169.254/latest/meta-data")
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers["content-length"] or 0)).decode()
        said = json.dumps({"path": self.path, "body": body, "host": self.headers["host"]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


HTTP = """
inputs: {{what: {{type: text}}}}
steps:
  - name: ask
    kind: http
    method: POST
    url: "http://localhost:{port}/find/{{{{ inputs.what }}}}"
    body: {{what: "{{{{ inputs.what }}}}"}}
"""


@pytest.mark.parametrize(
    "where", ["localhost", "127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:7f00:1]", "0.0.0.0"]
)
async def test_a_request_reaches_no_private_address(pair: Pair, where: str) -> None:
    recipe = "inputs: {at: {}}\nsteps: [{name: ask, kind: http, url: '{{ inputs.at }}'}]"
    made = await pair(None, "create", **steps(fresh(), recipe))
    done = await pair("ann", "run", skill=made.id, inputs={"at": f"http://{where}/"})
    assert "agents reach only public addresses" in done.problem
    done = await pair("ann", "run", skill=made.id, inputs={"at": "file:///etc/passwd"})
    assert "not an http or https URL" in done.problem


async def test_a_redirect_to_a_private_address_is_not_followed(
    pair: Pair, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one test server stands for a public one; what it leads to is looked at anew."""
    monkeypatch.setattr(outbound, "public", lambda address: str(address) == "127.0.0.1")
    recipe = f"steps: [{{name: ask, kind: http, method: POST, url: 'http://127.0.0.1:{port}/away'}}]"
    made = await pair(None, "create", **steps(fresh(), recipe))
    done = await pair("ann", "run", skill=made.id)
    assert "169.254.169.254 is 169.254.169.254, which is on this machine" in done.problem


async def test_a_person_may_let_requests_reach_the_network_of_this_machine(estate: Estate, port: int) -> None:
    async with estate.open(private_network=True) as lab:
        await lab("agent.create", name="ann")
        recipe = HTTP.format(port=port)
        await lab("skill.create", **steps("asker", recipe))
        done = await lab("skill.run", skill="asker", agent="ann", inputs={"what": "a/../b?c"})
        assert done.outcome == "completed"
        assert done.out["path"] == "/find/a%2F..%2Fb%3Fc"
        assert (json.loads(done.out["body"]), done.out["host"]) == ({"what": "a/../b?c"}, f"localhost:{port}")
        assert done.steps[0].code == 200


async def test_no_recipe_takes_long_to_read_and_no_value_grows_without_end(pair: Pair) -> None:
    """Each of these once took hours of everybody's time, or all memory."""
    blanks = "steps: [{name: a, kind: transform, value: 'x {{" + " " * 20_000 + "'}]"
    made = await pair("ann", "create", **steps(fresh(), blanks))
    assert (await pair("ann", "run", skill=made.id)).outcome == "completed"
    doubling = ["{name: s0, kind: transform, value: [x]}"]
    doubling += [
        f'{{name: s{n}, kind: transform, value: ["{{{{ steps.s{n - 1}.out }}}}", "{{{{ steps.s{n - 1}.out }}}}"]}}'
        for n in range(1, 50)
    ]
    made = await pair("ann", "create", **steps(fresh(), f"steps: [{', '.join(doubling)}]"))
    assert "all that is filled in comes to more than" in (await pair("ann", "run", skill=made.id)).problem
    long = "'" + "{{ inputs.long }}" * 5_000 + "'"
    recipe = f"inputs: {{long: {{type: text}}}}\nsteps: [{{name: a, kind: transform, value: {long}}}]"
    made = await pair("ann", "create", **steps(fresh(), recipe))
    done = await pair("ann", "run", skill=made.id, inputs={"long": "x" * 200_000})
    assert "all that is filled in comes to more than" in done.problem
