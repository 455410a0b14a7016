"""What the pool and a slot say to each other: arrays whose first item is the word.

    pool → slot   RUN      piece, generation, number of the first task, job, attempt, start index,
                           stop index, inputs (array of bin, or nil where the index is enough), and
                           [service, operation, parameters] or nil where the slot has them
                  RETIRE   why: the slot exits, and says RETIRED
    slot → pool   READY    missing preloaded modules
                  LOADED   service
                  DONE     piece, start, stop, values, growth of the tasks' own counters (a map,
                           or nil), cpu seconds, busy seconds, durations
                  FAILED   piece, index, error type, message, traceback, summary, detail, cpu
                           seconds, busy seconds
                  STOPPED  piece, index of the first task of it that was not started, because its
                           generation was over
                  RETIRED  why: the slot has reached a limit and exits
                  LINES    how many more were dropped, and what tasks logged: an array of [job,
                           index, Unix seconds, level, text]
                  PROGRESS job, index, done, of how many (nil where it is not known)

A piece is the part of a batch that one slot is sent at a time.
"""

from __future__ import annotations

RUN, READY, LOADED, DONE, FAILED, STOPPED, RETIRED, LINES, PROGRESS, RETIRE = range(10)
