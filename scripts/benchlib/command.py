"""How the scripts start and end."""

import argparse
import os
import re
import sys

from .fields import BadInput


# Of wrong arguments, and of files that are not what they should be: as logfile-bench has it.
WRONG = 64


class GiveUp(Exception):
    """One line for standard error, and the exit status."""

    def __init__(self, line, status):
        super().__init__(line)
        self.status = status


def give_up(line, status=1):
    raise GiveUp(line, status)


def refuse(line):
    """What the user asked for cannot be."""
    give_up(line, WRONG)


class Parser(argparse.ArgumentParser):
    """What is wrong in one line, as the bench has it."""

    def __init__(self, **how):
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
                         **how)

    def error(self, message):
        refuse(re.sub(r"^argument ([^:]*):", r"\1:", message))


def run(name, main):
    """Ends with main's status; what the user did wrong is one line, never a traceback."""
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except BadInput as error:
        print(f"{name}: {error}", file=sys.stderr)
        status = WRONG
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
