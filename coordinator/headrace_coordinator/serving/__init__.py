"""The methods of the API that the coordinator serves over the ledger, with their waits."""
