"""Text as PostgreSQL can store it, and the words of a filter."""

from collections.abc import Iterable

from db.records import Action


def storable(text: str) -> str:
    """`text` with NUL and halves of surrogate pairs replaced: no text or jsonb value can hold them."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def actions_and_others(words: Iterable[str]) -> tuple[list[Action], list[str]]:
    """The actions among the words of a filter, which are BUY and SELL in any case, and the other words."""
    actions: list[Action] = []
    others: list[str] = []
    for word in words:
        if word.upper() in set(Action):
            actions.append(Action(word.upper()))
        else:
            others.append(word)
    return actions, others
