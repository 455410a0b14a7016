"""What the machine and the container allow, and what they tell of processes."""
