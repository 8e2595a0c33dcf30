"""The alert that ticks fail or do not end: nothing is opened or written, and no day waits that would tell of it."""

from datetime import datetime, timedelta

from core.alerts.channel import Channels
from core.alerts.message import Severity, make_message
from core.alerts.post import Post
from core.alerts.words import moment, plain
from core.clock import Clock, is_from_future, span
from core.logs import redacted
from core.settings import Settings
from db.errors import AlphaMondayError

# A tick that failed once is often the database's doing, and over at the next.
FAILING_AFTER = timedelta(minutes=5)
_UNENDED = AlphaMondayError(
    "The tick has not ended: a source does not respond, or there is much to catch up.",
    "alpha-monday doctor queries each source now; the log names those that do not respond.",
)


class TickAlert:
    """Says once that ticks have failed for `FAILING_AFTER`, and once that they do not any more."""

    def __init__(self, channels: Channels, settings: Settings, clock: Clock) -> None:
        self._post = Post(channels)
        self._settings = settings
        self._clock = clock
        self._failing_since: datetime | None = None
        self._is_told = False
        self._is_chosen = channels.are_set and "leadership" in settings.notify_on

    def failed(self, problem: AlphaMondayError) -> None:
        """Notes a tick that failed with `problem`."""
        now = self._clock.now()
        if self._failing_since is None or is_from_future(self._failing_since, now):
            self._failing_since = now
        if self._is_told or not self._is_chosen or now - self._failing_since < FAILING_AFTER:
            return
        self._is_told = True
        secrets = self._settings.secrets()
        lines = [
            f"No look for work has succeeded since {moment(self._failing_since)} exchange time.",
            plain(redacted(problem.message, secrets), limit=300),
            plain(redacted(problem.remedy, secrets), limit=300),
            "Nothing else is opened or written until this is mended.",
        ]
        self._post.send(make_message("the schedule stands still", lines, Severity.FAILURE))

    def runs(self, running: timedelta) -> None:
        """Notes that a tick has been under way for `running`; the alert comes while it still is."""
        if running >= FAILING_AFTER:
            self._failing_since = self._failing_since or self._clock.now() - running
            self.failed(_UNENDED)

    def succeeded(self) -> None:
        """Notes a tick that did not fail."""
        if self._is_told and self._failing_since is not None:
            lasted = span(self._clock.now() - self._failing_since)
            text = f"Work is done again; the ticks had failed for {lasted}, since {moment(self._failing_since)}."
            self._post.send(make_message("the schedule goes on", [text], Severity.SUCCESS))
        self._failing_since, self._is_told = None, False

    async def close(self) -> None:
        """Ends what is still being told."""
        await self._post.close()
