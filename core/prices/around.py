"""A price source around another: what it does not change is the other's."""

from datetime import timedelta
from typing import Any

from core.prices.source import Basis, PriceSource


class AroundSource:
    """Has the name, the basis and everything else of `source`; who derives from it changes how it is asked."""

    def __init__(self, source: PriceSource) -> None:
        self._source = source

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def basis(self) -> Basis:
        return self._source.basis

    @property
    def settle_delay(self) -> timedelta:
        return self._source.settle_delay

    def __getattr__(self, name: str) -> Any:
        # What sources may have besides: quota_left, least_rest, is_taken_at_its_word.
        return getattr(self._source, name)
