"""What the keys do, and what the figures mean."""

HELP = """\
In the lists of jobs, workers and events
  arrows, page up, page down, home, end     move
  enter        open the job or the worker
  w, e, j      workers, events, jobs
  f or /       show only what contains these words; escape shows all
  c            cancel the job: what is done stays done
  r            retry the job: failed and cancelled tasks run again
  d            delete the job and its results; drain the worker
  q            quit

In a job
  left, right  what runs, failures, log, everything else
  enter        read the whole of a failure, with its traceback
  p            replay the job's failed tasks, also while it runs
  c, r, d      as above
  escape       back

Each action asks once, and y does it.

"7 s of work" is how long all slots need for the tasks that wait or are leased.
SPEED counts the tasks that were done recently: in the last 15 seconds, or the
last 15 tasks if each takes longer. LEFT is the time that the rest takes at
that speed. DONE counts tasks that are done, and not those that failed. WORK also
shows what a job waits for, or why it was cut short.
"""
