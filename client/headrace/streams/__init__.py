"""Streams: jobs to which a program adds calls while it receives the outcomes of earlier ones."""
