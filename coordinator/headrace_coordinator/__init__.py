"""The coordinator: job queue, result queue, store, server and metrics."""
