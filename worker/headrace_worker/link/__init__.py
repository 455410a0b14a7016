"""What the pool and its slots share: their socket, messages and settings."""
