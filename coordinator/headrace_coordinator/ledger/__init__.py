"""The ledger: one lock over the queue, and no acknowledgement before the commit."""
