"""The child processes of an embedded cluster: ``python -m headrace.child ROLE ORDER``.

They do not import the command line, which would cost 2 MiB in each of them and slow down the start
of a program.
"""
