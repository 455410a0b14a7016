"""Starts the processes of slots."""
