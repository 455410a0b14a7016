"""``headrace top``: jobs and workers on a terminal, and how they progress.

    command ─► app ─► main_screen, job_screen ─► view ─► JobQueueApi, ResultQueueApi
                      └─► listing ◄─ job_rows, worker_rows

The command line only imports ``command``, which imports the screens, and with them textual, if
there is a terminal.
"""
