"""PostgreSQL and nothing else: rows in, rows out."""
