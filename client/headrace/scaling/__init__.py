"""How many workers there should be, and how more of them are started and some taken away."""
