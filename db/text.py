"""Text as PostgreSQL can store it, and as a message can end with it."""

_ENDINGS = (".", "!", "?", "…")


def storable(text: str) -> str:
    """`text` with NUL and halves of surrogate pairs replaced: no text or jsonb value can hold them."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def sentence(text: str) -> str:
    """`text` with a full stop unless it ends like a sentence: a driver's or a program's words end as they happen to."""
    text = text.rstrip()
    return text if text.rstrip("\"')").endswith(_ENDINGS) else f"{text}."
