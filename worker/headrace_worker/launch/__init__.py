"""How the processes of slots are started."""
