"""The console script: as little as possible before a Ctrl-C is answered in order."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C at any moment ends it with 130, and no traceback."""
    try:
        from service.cli import run_command_line

        run_command_line()
    except KeyboardInterrupt:
        sys.exit(130)
