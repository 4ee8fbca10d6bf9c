"""How the scripts start and end."""

import os
import sys

from .fields import BadInput


class GiveUp(Exception):
    """One line for standard error, and the exit status."""

    def __init__(self, line, status):
        super().__init__(line)
        self.status = status


def give_up(line, status=1):
    raise GiveUp(line, status)


def run(name, main):
    """Ends with main's status; what the user did wrong is one line, never a traceback."""
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except BadInput as error:
        print(f"{name}: {error}", file=sys.stderr)
        status = 2
    except GiveUp as error:
        print(f"{name}: {error}", file=sys.stderr)
        status = error.status
    except BrokenPipeError:
        # The reader, a pager, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
