"""What comes from the terminal: keys, and pastes that are text from the first bracket to the last."""

import time
from collections.abc import Generator, Iterable

from textual._xterm_parser import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser
from textual.events import Paste
from textual.message import Message

# Far more than any field takes; what is beyond is dropped, and not collected without bound.
LONGEST_PASTE = 1_000_000
# A terminal that dies in the middle of a paste sends no closing bracket; the keyboard must not stay text for ever.
PASTE_STALLS_S = 5.0
# As many characters as can stand at the end of one read and belong to a bracket that the next read completes.
_BEGUN = len(BRACKETED_PASTE_END) - 1


class PasteParser(XTermParser):
    """Textual's parser for what stands outside the brackets of a paste; what stands inside never reaches it.

    Textual's own looks for sequences inside them too: it drops ESC, sends what it does not know as keys, and takes
    what follows out of the paste.
    """

    def __init__(self, debug: bool = False) -> None:
        super().__init__(debug)
        self._pasted: list[str] | None = None
        self._length = 0
        self._end_of_last = ""
        self._heard_at = 0.0

    def feed(self, data: str) -> Iterable[Message]:
        """The messages that `data` completes; a paste is one of them, however many reads it took."""
        if not data:
            yield from super().feed(data)  # the end of the input
        self._heard_at = time.monotonic()
        while data:
            data = yield from self._feed_keys(data) if self._pasted is None else self._feed_paste(data)

    def tick(self) -> Iterable[Message]:
        """The messages that silence completes: a lone Esc, and a paste whose closing bracket never came."""
        if self._pasted is None:
            for message in super().tick():
                self._end_of_last = ""  # a sequence that silence has cut short cannot go on
                yield message
        elif time.monotonic() - self._heard_at >= PASTE_STALLS_S:
            yield from self._end_paste(self._end_of_last)

    def _feed_keys(self, data: str) -> Generator[Message, None, str]:
        """Takes `data` as keys, to the bracket that opens a paste; gives what follows it."""
        before, _, rest = (self._end_of_last + data).partition(BRACKETED_PASTE_START)
        if len(before) == len(self._end_of_last) + len(data):
            self._end_of_last = before[-_BEGUN:]
            yield from super().feed(data)
            return ""
        yield from super().feed(data[: len(data) - len(rest)])
        self._pasted, self._length, self._end_of_last = [], 0, ""
        return rest

    def _feed_paste(self, data: str) -> Generator[Message, None, str]:
        """Takes `data` as text, to the bracket that closes the paste; gives what follows it."""
        text, bracket, rest = (self._end_of_last + data).partition(BRACKETED_PASTE_END)
        if not bracket:
            self._keep(text[:-_BEGUN])
            self._end_of_last = text[-_BEGUN:]
            return ""
        yield from self._end_paste(text)
        return rest

    def _end_paste(self, last: str) -> Iterable[Message]:
        self._keep(last)
        pasted = "".join(self._pasted or ())
        self._pasted, self._end_of_last = None, ""
        for message in super().feed(BRACKETED_PASTE_END):
            yield Paste(pasted) if isinstance(message, Paste) else message

    def _keep(self, text: str) -> None:
        kept = text[: LONGEST_PASTE - self._length]
        self._length += len(kept)
        if self._pasted is not None:
            self._pasted.append(kept)
