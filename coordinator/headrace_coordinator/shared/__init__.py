"""Shared state: named objects that tasks and clients share.

    calls ─► SharedObjects (waits) ─► ledger ─► SharedState ─► the object ─► events ─► store

All of it is in memory, and in the store as well. The state and its objects are pure, as the queue
is: they use no clock, socket or disk.

    kind   read                       change
    value  get                        set, set_if, add
    list   len, get, page, slice      append, insert, set, pop, add, clear, splice, cut, reverse,
                                      reorder, repeat
    dict   len, get, page             set, set_if, setdefault, pop, popitem, add, clear
    lock   state                      acquire, release
    event  is_set, wait               set, clear
    queue  size, join                 put, get, confirm, close
    any                               delete
"""
