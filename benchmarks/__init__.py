"""headrace and its peers, measured side by side: see NOTES.md, and ``make bench``."""
