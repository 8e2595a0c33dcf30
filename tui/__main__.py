"""`python -m tui` is the command `alpha-monday`."""

import sys

from tui.cli import main

sys.exit(main())
