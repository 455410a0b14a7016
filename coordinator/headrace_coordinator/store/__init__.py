"""The store: one SQLite file and one payload file, in which everything acknowledged is."""
