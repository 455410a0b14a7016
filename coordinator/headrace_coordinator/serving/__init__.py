"""What the coordinator serves: the methods of the API over the ledger, and their waits."""
