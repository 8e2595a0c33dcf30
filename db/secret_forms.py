"""The forms in which a secret comes back in texts."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

# What encoders leave as it is in a path, in a query and in a user's password: Python's, browsers' and HTTP clients'.
_LEFT_AS_THEY_ARE = ("", "/", "!'()*", "!$&'()*+,;=", "!$&'()*+,;=:", "!$&'()*+,;=:@/", "!$&'()*+,;=:@/?")
_ENCODED = re.compile("%[0-9A-F]{2}", re.ASCII)
_URL_SAFE = str.maketrans("+/", "-_")
_SHORTEST_IN_BASE64 = 4  # shorter pieces are syllables of other words


def in_every_form(secrets: Iterable[str]) -> frozenset[str]:
    """Each of `secrets` as it is, percent-encoded, in base64, and as Python and JSON write it inside quotes."""
    return frozenset(form for secret in secrets for form in _forms(secret))


def _forms(secret: str) -> Iterator[str]:
    yield secret
    encoded = {quote(secret, safe=safe, errors="replace") for safe in _LEFT_AS_THEY_ARE}
    for form in encoded | {quote_plus(secret, errors="replace")}:
        yield form
        yield _ENCODED.sub(lambda found: found[0].lower(), form)
    yield repr(secret)[1:-1]
    yield repr(f"{secret}'\"")[1:-4]  # as part of a text with quotes of both kinds
    yield ascii(secret)[1:-1]
    yield repr(secret.encode("utf-8", "replace"))[2:-1]
    yield json.dumps(secret)[1:-1]
    for form in _in_base64(secret.encode(errors="replace")):
        yield form
        yield form.translate(_URL_SAFE)


def _in_base64(secret: bytes) -> Iterator[str]:
    """`secret` alone, and its own part of a longer text, in which it begins at one of three places."""
    whole = b64encode(secret).decode()
    yield from (form for form in (whole, whole.rstrip("=")) if len(form) >= _SHORTEST_IN_BASE64)
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        if last - first >= _SHORTEST_IN_BASE64:
            yield b64encode(bytes(before) + secret).decode()[first:last]
