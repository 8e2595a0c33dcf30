"""Text as PostgreSQL can store it."""


def storable(text: str) -> str:
    """`text` with NUL and halves of surrogate pairs replaced: no text or jsonb value can hold them."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
