"""Questions with one answer: a line to fill in, or a yes."""

from collections.abc import Awaitable, Callable, Iterable

from rich.text import Text
from textual import work
from textual.widget import Widget
from textual.widgets import Input, Static

from db.errors import AlphaMondayError
from tui.messages import AnswerTaken
from tui.screens.dialog import Dialog
from tui.widgets.printable_input import printable_input


class AskScreen(Dialog[str]):
    """Asks for one line; answers with it once `take`, if given, has taken it.

    An AlphaMondayError of `take` is shown, and the question stays.
    """

    def __init__(
        self,
        heading: str,
        words: Text,
        *,
        value: str = "",
        placeholder: str = "",
        take: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__()
        self.heading = heading
        self._words = words
        self._value = value
        self._placeholder = placeholder
        self._take = take
        self._is_taking = False

    def compose_fields(self) -> Iterable[Widget]:
        yield Static(self._words, markup=False)
        yield printable_input(self._value, placeholder=self._placeholder, id="answer")

    def on_input_submitted(self) -> None:
        """Enter in the line is the answer."""
        self.perform_submit()

    def perform_submit(self) -> None:
        """Answers with what is typed, unless it is nothing or is refused."""
        answer = self.query_one("#answer", Input).value.strip()
        if self._is_taking:
            return
        if not answer:
            self.complain("Nothing is filled in.")
        elif self._take is None:
            self.dismiss(answer)
        else:
            self.complain("")
            self._is_taking = True
            self._have_it_taken(self._take, answer)

    @work(group="taking")
    async def _have_it_taken(self, take: Callable[[str], Awaitable[None]], answer: str) -> None:
        try:
            await take(answer)
        except AlphaMondayError as exc:
            self.post_message(AnswerTaken(answer, exc))
        else:
            self.post_message(AnswerTaken(answer, None))

    def on_answer_taken(self, message: AnswerTaken) -> None:
        self._is_taking = False
        if message.problem is not None:
            self.complain(message.problem)
        else:
            self.dismiss(message.answer)


class ConfirmScreen(Dialog[bool]):
    """Asks before something that cannot be taken back; answers True, or nothing."""

    def __init__(self, heading: str, words: Text, going_on: str) -> None:
        super().__init__()
        self.going_on = going_on
        self.heading = heading
        self._words = words

    def compose_fields(self) -> Iterable[Widget]:
        yield Static(self._words, markup=False)

    def perform_submit(self) -> None:
        """Says yes."""
        self.dismiss(True)
