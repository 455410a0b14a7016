"""The network layer: messages, the msgpack manager, the key and errors."""
