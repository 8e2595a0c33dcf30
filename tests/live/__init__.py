"""What the providers really answer: run with pytest -m live, over a network."""
