"""What is shown of a coordinator: metrics, health and the log of events."""
