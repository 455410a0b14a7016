"""``headrace top``: jobs and workers on a terminal, as they stand and as they go.

    command ─► app ─► main_screen, job_screen ─► view ─► JobQueueApi, ResultQueueApi
                      └─► listing ◄─ job_rows, worker_rows

Only ``command`` is imported by the command line; the screens, which use textual, come with it when
there is a terminal.
"""
