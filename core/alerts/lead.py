"""The alert that needs no database: this process has lost the lead; and, once it is so, that the loss is over."""

from datetime import datetime

from core.alerts.channel import Channels
from core.alerts.message import Severity, make_message
from core.alerts.post import Post
from core.alerts.words import moment, plain
from core.clock import Clock, span
from core.logs import redacted
from core.settings import Settings


class LeadAlert:
    """Says once an outage, in the background and until each service takes it, that `who` has lost the lead.

    The end of the outage tells of it as well, so that it replaces what a dead channel has not taken yet.
    """

    def __init__(self, channels: Channels, settings: Settings, clock: Clock, who: str) -> None:
        self._post = Post(channels)
        self._settings = settings
        self._clock = clock
        self._who = plain(who, limit=100)
        self._lost_at: datetime | None = None
        self._is_chosen = channels.are_set and "leadership" in settings.notify_on

    def begin(self) -> None:
        """Makes the channels ready while there is a network, and says now what is wrong with them."""
        self._post.prepare()

    def lost(self, problem: str) -> None:
        """Says that the lead is lost, and why, unless that was said already."""
        if not self._is_chosen or self._lost_at is not None:
            return
        self._lost_at = self._clock.now()
        lines = [
            f"{self._who} led the schedulers until {moment(self._lost_at)} exchange time.",
            plain(redacted(problem, self._settings.secrets()), limit=300),
            "Where another process stands by, it takes over; nothing due is lost. alpha-monday health says who leads.",
        ]
        self._post.send(make_message(f"{self._who} lost the lead", lines, Severity.FAILURE))

    def over(self, who: str) -> None:
        """Says that `who` leads, if the loss was to be told."""
        if self._lost_at is None:
            return
        lasted = span(self._clock.now() - self._lost_at)
        leader = plain(who, limit=100)
        lines = [
            f"{leader} leads; {self._who} had lost the lead at {moment(self._lost_at)} exchange time, {lasted} ago."
        ]
        self._lost_at = None
        self._post.send(make_message(f"{leader} leads", lines, Severity.SUCCESS))

    async def close(self) -> None:
        """Ends what is still being told."""
        await self._post.close()
