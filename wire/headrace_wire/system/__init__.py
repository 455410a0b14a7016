"""What the operating system provides, and what is used instead if it does not.

Modules here import nothing else of headrace.
"""
