"""Simulated prices never meet real ones."""

from collections.abc import Iterable

from db.errors import AlphaMondayError

SIMULATED = "simulated"


class MixedPricesError(AlphaMondayError):
    """A database of simulated prices was to take real ones, or the other way round."""

    code = "mixed_prices"


def refuse_mixing(source_there: str | None, sources: Iterable[str]) -> None:
    """Raises MixedPricesError unless `sources` and what priced the database's batches are both simulated or both real.

    `source_there` is the source of any one batch, None where there is none yet.
    """
    kinds = {source == SIMULATED for source in sources}
    if source_there is not None:
        kinds.add(source_there == SIMULATED)
    if len(kinds) > 1:
        raise MixedPricesError(
            "Simulated prices and real ones cannot stand in one database.",
            "Use another database (DATABASE_URL or ALPHA_MONDAY_DATA_DIR), or the price source that it began with.",
        )
