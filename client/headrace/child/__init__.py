"""The children of an embedded cluster: ``python -m headrace.child ROLE ORDER``.

They do without the command line, which takes each of them 2 MiB and some of a program's start.
"""
