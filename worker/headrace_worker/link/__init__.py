"""What the pool and its slots both know: their socket, their messages and their settings."""
