"""Who gives the orders here, as the log calls them."""

import getpass
import os
import socket


def operator_name() -> str:
    """How whoever works here is called in the log: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without an entry, as in containers
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
