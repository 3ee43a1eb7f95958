"""The root of `aetherctl`."""

from __future__ import annotations

import click

from aetherd import __version__
from aetherd.ctl import attach, first, lifecycle, mcp, overview
from aetherd.ctl.commands import Rooms


@click.group(cls=Rooms, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="aetherctl %(version)s")
@click.option("--live", is_flag=True, help="take the commands from the running daemon, not from this installation")
def cli(live: bool) -> None:
    """Operate aetherd: agents as supervised processes.

    `aetherctl ROOM VERB` runs any operation; `--json` prints its answer as it is. Without AETHER_URL the
    daemon of the local home (AETHER_HOME, default ~/.aether) is meant.

    \b
    Exit codes: 0 ok, 1 other, 2 invalid input, 3 not found, 4 forbidden, 5 unavailable.
    """


for command in (
    lifecycle.up,
    lifecycle.down,
    first.first_agent,
    overview.status,
    overview.doctor,
    overview.console,
    attach.events,
    attach.attach,
    mcp.group,
):
    cli.add_command(command)


def main() -> None:
    """Run."""
    cli.main()


if __name__ == "__main__":
    main()
