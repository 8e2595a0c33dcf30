"""What Alpha Monday means and does: dates, prices, returns, and the work that is due."""

__version__ = "0.1.0"
