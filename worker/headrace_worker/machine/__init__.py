"""The limits of the machine and the container, and measurements of processes."""
