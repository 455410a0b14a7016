"""The page and the JSON API of the coordinator: an adapter over the objects that it serves."""
