"""What each toolset costs a model, and whether it keeps to its ceiling: printed by `make check`."""

import sys

from aetherd.daemon.rooms import ROOMS
from aetherd.operations.catalog import schema_of, tool_name
from aetherd.operations.operation import operations_of
from aetherd_mcp.toolsets import CEILINGS, shown, tokens


def main() -> int:
    """Print the table; return 1 when a menu is over its ceiling."""
    costs = {
        op: tokens(tool_name(op.name), op.doc, schema_of(op.input, "validation"))
        for service in ROOMS
        for op in operations_of(service)
    }
    over = 0
    for toolset, (most_tools, most_tokens) in CEILINGS.items():
        menu = [cost for op, cost in costs.items() if shown(toolset)(op)]
        met = len(menu) <= most_tools and sum(menu) <= most_tokens
        over += not met
        sys.stdout.write(
            f"toolset {toolset:8}  {len(menu):3} of {most_tools:3} tools  {sum(menu):6,} of {most_tokens:6,} tokens"
            f"{'' if met else '  OVER: drop a tool or shorten a description'}\n"
        )
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
