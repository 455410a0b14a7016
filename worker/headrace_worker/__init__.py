"""The worker: an agent and its pool of slots."""
