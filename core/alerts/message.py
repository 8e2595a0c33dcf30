"""One alert as a channel is given it: plain text, bounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.alerts.words import cut, harmless

TITLE_LIMIT = 120
BODY_LIMIT = 1_800  # what every common service takes in one piece; Discord's 2,000 is the least of them
_SENDER = "Alpha Monday: "


class Severity(StrEnum):
    """How a channel is to colour a message; the values are Apprise's."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"

    @property
    def rank(self) -> int:
        """How grave it is, the gravest highest."""
        return (Severity.INFO, Severity.SUCCESS, Severity.WARNING, Severity.FAILURE).index(self)


@dataclass(frozen=True, slots=True)
class Message:
    """A title of one line and a body of several, both harmless and within the limits."""

    title: str
    body: str
    severity: Severity


def make_message(title: str, lines: Sequence[str], severity: Severity = Severity.INFO) -> Message:
    """A message of `lines`, as many of them as fit, made `harmless`; what they hold from outside is `plain` already."""
    title = cut(harmless(_SENDER + title), TITLE_LIMIT)
    body = harmless("\n".join(lines)).strip() or title
    if len(body) > BODY_LIMIT:
        kept = body[: BODY_LIMIT - 40].rsplit("\n", 1)[0]
        body = f"{kept}\n… and more: alpha-monday events"
    return Message(harmless(title), harmless(body), severity)  # what a cut leaves may be markup again
