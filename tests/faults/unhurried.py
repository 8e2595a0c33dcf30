"""The program with every time-out as it is; only its files are at rest as soon as they are written."""

import sys

import core.file_at_rest
from tests.fakes import HourBetweenLooks
from tui.cli import main

if __name__ == "__main__":
    core.file_at_rest.CLOCK = HourBetweenLooks()
    sys.exit(main())
