"""The store: one SQLite file and one payload file with everything that was acknowledged."""
