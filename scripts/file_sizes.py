"""The ratchet on file sizes: nothing over 600 lines, and those over 400 are listed here with their reason."""

import subprocess
import sys
from pathlib import Path

LIMIT, LARGE = 600, 400
REASONS = {
    "aetherd/store/migrations/versions/0001_first.py": "generated: the tables of the first rooms",
    "aetherd/kernel/approval/service.py": "questions, answers, stored calls and rules are one state machine",
    "aetherd/kernel/desktop/service.py": "fourteen operations, most of them one gesture of a hand",
    "aetherd/kernel/process/service.py": "the operations of the process room, one after another",
    "aetherd/kernel/process/supervisor.py": "one state machine: launch, adopt, attend, end",
    "mcp_tools/aetherd_mcp/relay.py": "one self-contained file that must import nothing of ours",
    "runtimes/aetherd_runtimes/claude_lines.py": "one decoder: every line Claude Code prints",
}


def main() -> int:
    """Return 1 and say which files are too long."""
    files = subprocess.run(["git", "ls-files", "*.py", "*.ts", "*.tsx"], capture_output=True, text=True, check=True)
    wrong = []
    for name in files.stdout.split():
        path = Path(name)
        if not path.exists() or "generated" in name or name.startswith(("tests/", "benchmarks/")):
            continue
        lines = len(path.read_text().splitlines())
        if lines > LIMIT:
            wrong.append(f"{name}: {lines} lines, at most {LIMIT}: split it")
        elif lines > LARGE and name not in REASONS:
            wrong.append(f"{name}: {lines} lines: split it, or give the reason in scripts/file_sizes.py")
    sys.stderr.writelines(line + "\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
