"""What can be observed of a coordinator: metrics, health and the log of events."""
