"""compose.yaml on a real engine. A package, so that one project serves all of its tests."""
