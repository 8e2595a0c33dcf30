"""What is secret in an address, and the forms in which a secret comes back in texts."""

import json
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

_SHORTEST_PARAMETER = 8  # shorter ones are formats and versions, and masking their words would leave no text readable


def secrets_of_address(url: str) -> set[str]:
    """What is secret in a provider's address: the user with its password, and the query, whole and value by value.

    An adapter takes an address apart and decodes it, so each part is given as it is written and as it is meant.
    """
    parts = urlsplit(url)
    user_info = parts.netloc.rpartition("@")[0]
    values = [value for _, value in parse_qsl(parts.query) if len(value) >= _SHORTEST_PARAMETER]
    written = {user_info, user_info.partition(":")[2], parts.query}
    return {text for text in (*written, *map(unquote, written), *values) if text}


def in_every_form(secrets: Iterable[str]) -> frozenset[str]:
    """Each of `secrets` as it is, percent-encoded, and as Python and JSON write it inside quotes."""
    return frozenset(
        form
        for secret in secrets
        for form in (
            secret,
            quote(secret, safe="", errors="replace"),
            quote(secret, errors="replace"),
            quote_plus(secret, errors="replace"),
            repr(secret)[1:-1],
            repr(f"{secret}'\"")[1:-4],  # as part of a text with quotes of both kinds
            ascii(secret)[1:-1],
            repr(secret.encode("utf-8", "replace"))[2:-1],
            json.dumps(secret)[1:-1],
        )
    )
