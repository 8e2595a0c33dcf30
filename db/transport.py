"""Whether what is said to the database can be read on the way."""

from ipaddress import ip_address
from itertools import zip_longest

from db.libpq_environment import resolved

_ENCRYPTED = frozenset({"require", "verify-ca", "verify-full"})
_NAMED_AT_MOST = 3


def transport_problem(url: str) -> str | None:
    """A sentence that says to which hosts of `url` an unencrypted connection may be made; None where to none.

    Sockets and loopback addresses stay on this machine. What `url` leaves open is taken from where libpq takes it: the
    environment, a service file, its defaults. Nothing is connected to or looked up. Raises DatabaseRefusedError for a
    malformed `url`.
    """
    options = resolved(url)
    mode = options.get("sslmode", "")
    if mode in _ENCRYPTED or options.get("gssencmode") == "require":
        return None
    names, addresses = (options.get(name, "").split(",") for name in ("host", "hostaddr"))
    remote = [
        name or address
        for name, address in zip_longest(names, addresses, fillvalue="")
        if not _is_local(address or name)
    ]
    if not remote:
        return None
    named = ", ".join(host[:100] for host in remote[:_NAMED_AT_MOST])
    if more := len(remote) - len(remote[:_NAMED_AT_MOST]):
        named += f" and {more} more"
    return (
        f"The connection to {named} may be unencrypted because sslmode is {mode[:20]}; "
        "add sslmode=verify-full (or require) to DATABASE_URL."
    )


def _is_local(place: str) -> bool:
    """Whether `place`, a host or an address as libpq takes it, is on this machine; unset it is a socket."""
    if place.startswith(("/", "@")) or place.rstrip(".").lower() in {"", "localhost"}:
        return True
    try:
        address = ip_address(place)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
