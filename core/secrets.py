"""What is secret in an address over HTTP."""

from urllib.parse import parse_qsl, unquote, urlsplit

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
