"""Keys in turn: each is let through once everything that the keys before it set going has come to rest."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, TextArea
from textual.worker import Worker, WorkerError

from tui.commands import CommandSet, Scope

# A slow provider or a frozen database must not take the keyboard away: after this, keys go where they would anyway.
PATIENCE_S = 2.0
# The same for what only reads: no key may be seen to hesitate where a database does not answer.
PATIENCE_WITH_READING_S = 0.3
# What the app itself does on a busy machine takes longer, and a key sent past it would go astray.
RESTS_WITHIN_S = 15.0
# What is awaited here ends by opening or closing a screen, or by changing what Enter does in it.
OPENS_OR_CLOSES = frozenset(
    {"asking", "doubts", "exporting", "filling", "giving out", "saving", "taking", "trying", "writing"}
)
# What these find out is shown beside the rest; no key acts on it.
SHOWN_ASIDE = frozenset({"job", "paths"})
PREVIEW = "preview"
_EDITS = frozenset({"tab", "shift+tab", "backspace", "delete", "left", "right", "home", "end"})
# A pass that finds every queue empty may have met a handler at work; what that one posts shows in the next pass.
_CLEAN_PASSES = 2


class TypeAhead:
    """Holds keys, pastes and clicks back until it is their turn.

    Textual hands a key to whatever has the keyboard at that moment, without waiting for what the key before does: in
    a burst, all keys would go to the first field. Here, every widget that a key can pass has emptied its queue, a new
    screen has its widgets and its focus, and what was asked of the core has been answered, before the next key goes.
    The keys that leave the program wait for nothing, and Esc waits for no answer.
    """

    def __init__(self, app: App[Any], commands: Callable[[], CommandSet]) -> None:
        self._app = app
        self._commands = commands
        self._waiting: asyncio.Queue[events.Event] = asyncio.Queue()
        self._next: events.Event | None = None
        self._let_through: deque[events.Event] = deque()
        self._written_in: Widget | None = None
        self._ready: Screen[Any] | None = None
        self._awaited_since: WeakKeyDictionary[Worker[Any], float] = WeakKeyDictionary()
        self._ends: WeakKeyDictionary[Worker[Any], asyncio.Task[None]] = WeakKeyDictionary()

    def is_in_turn(self, event: events.Event) -> bool:
        """Whether the app is to dispatch `event` at once; any other comes again when it is its turn."""
        if event.is_forwarded or not isinstance(event, events.Key | events.Paste | events.MouseDown | events.MouseUp):
            return True
        if self._let_through and event is self._let_through[0]:
            self._let_through.popleft()
            return self._screen() is not None  # the program may be leaving by now
        if self._screen() is not None and self._is_key_of(
            event, *(each.id for each in self._commands() if each.comes_first)
        ):
            return True
        self._waiting.put_nowait(event)
        return False

    @property
    def is_at_rest(self) -> bool:
        """Whether all that was typed has gone to where it belongs."""
        return self._waiting.empty() and self._next is None and not self._let_through

    async def let_through(self) -> None:
        """Lets through whatever is typed, one after another, for as long as the app runs."""
        while True:
            self._next = event = await self._waiting.get()
            if not self._goes_on_writing(event):
                await self._wait_for_turn(event)
            self._written_in = self._app.focused if self._is_letter(event) else None
            self._next = None
            self._let_through.append(event)
            self._app.post_message(event)

    def _goes_on_writing(self, event: events.Event) -> bool:
        """Whether `event` is one letter more where the one before went: letters take nobody elsewhere."""
        return self._is_letter(event) and self._app.focused is self._written_in

    async def _wait_for_turn(self, event: events.Event) -> None:
        while True:
            await self._rest()
            awaited = [worker for worker in self._app.workers if self._is_awaited(worker, event)]
            if not awaited:
                return
            await asyncio.wait(
                [self._end_of(worker) for worker in awaited],
                timeout=min(self._patience_with(worker) for worker in awaited),
                return_when=asyncio.FIRST_COMPLETED,
            )

    # The queues

    async def _rest(self) -> None:
        """Waits until nothing moves in the app, in the screen on top and from there to what has the keyboard."""
        deadline = asyncio.get_running_loop().time() + RESTS_WITHIN_S
        clean = 0
        while clean < _CLEAN_PASSES:
            pumps = self._pumps()
            for pump in pumps:
                if not await self._passed(pump.call_later, deadline):
                    return
            screen = self._screen()
            if screen is not None and screen is not self._ready:
                # What a screen does on opening may itself wait until it is drawn.
                if not await self._passed(screen.call_after_refresh, deadline):
                    return
                self._ready = screen
                clean = 0
                continue
            is_clean = pumps == self._pumps() and not any(pump.message_queue_size for pump in pumps)
            clean = clean + 1 if is_clean else 0

    async def _passed(self, call: Callable[[Callable[[], None]], bool], deadline: float) -> bool:
        """Whether `call` has called back before `deadline`; one that is closing takes no call, and holds up nothing."""
        reached = asyncio.Event()
        if not call(reached.set):
            return True
        try:
            await asyncio.wait_for(reached.wait(), deadline - asyncio.get_running_loop().time())
        except TimeoutError:
            return False
        return True

    def _screen(self) -> Screen[Any] | None:
        stack = self._app.screen_stack if self._app.is_running else []
        return stack[-1] if stack else None

    def _pumps(self) -> list[MessagePump]:
        """The app, what has the keyboard, what that stands in, and the screens, in the order in which a key passes."""
        screen = self._screen()
        if screen is None:
            return [self._app]
        focused = screen.focused
        inside: list[DOMNode] = list(focused.ancestors_with_self) if focused is not None else []
        nodes = dict.fromkeys([*inside, *reversed(self._app.screen_stack), self._app])
        return [self._app, *nodes]

    # The answers

    def _is_awaited(self, worker: Worker[Any], event: events.Event) -> bool:
        if worker.is_finished or self._is_key_of(event, "cancel"):
            return False
        if worker.group not in OPENS_OR_CLOSES:
            if worker.node is not self._screen() or worker.group in SHOWN_ASIDE or self._is_typing(event):
                return False
            if worker.group == PREVIEW and self._is_key_of(event, *self._moves()):
                return False
        return self._patience_with(worker) > 0

    def _is_letter(self, event: events.Event) -> bool:
        is_text = isinstance(self._app.focused, Input | TextArea)
        return is_text and isinstance(event, events.Key) and event.is_printable

    def _is_typing(self, event: events.Event) -> bool:
        """Whether `event` changes a text or goes to the next field, which no answer has a part in."""
        if not isinstance(self._app.focused, Input | TextArea):
            return False
        if isinstance(event, events.Key):
            return event.is_printable or event.key in _EDITS
        return isinstance(event, events.Paste)

    def _moves(self) -> Iterable[str]:
        return (each.id for each in self._commands().of_scopes(Scope.LIST))

    def _is_key_of(self, event: events.Event, *command_ids: str) -> bool:
        return isinstance(event, events.Key) and event.key in self._keys_of(command_ids)

    def _keys_of(self, command_ids: Iterable[str]) -> set[str]:
        commands = self._commands()
        return {key for command_id in command_ids for key in commands[command_id].key.split(",")}

    def _patience_with(self, worker: Worker[Any]) -> float:
        """For how many seconds keys still wait for it; in all, not each key."""
        now = asyncio.get_running_loop().time()
        patience = PATIENCE_S if worker.group in OPENS_OR_CLOSES else PATIENCE_WITH_READING_S
        return self._awaited_since.setdefault(worker, now) + patience - now

    def _end_of(self, worker: Worker[Any]) -> "asyncio.Task[None]":
        """A task that ends when `worker` does; cancelling it would cancel the worker, so nobody does."""
        if worker not in self._ends:
            self._ends[worker] = asyncio.create_task(_end(worker))
        return self._ends[worker]


async def _end(worker: Worker[Any]) -> None:
    with suppress(WorkerError):  # it failed or was stopped, which whoever started it tells
        await worker.wait()
