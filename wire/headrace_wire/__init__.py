"""What crosses the network: messages, the msgpack manager, the key and errors."""
