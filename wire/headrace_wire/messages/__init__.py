"""Every message that crosses the wire. The words are those of the glossary in docs/architecture.md.

Times called ``…_at`` are Unix seconds, for people; durations are ``…_seconds``. ``parameters``,
``inputs`` and ``values`` are opaque bytes to the coordinator: encoded where they are made and
decoded where they are used. What a field may hold is said by its annotation; see
``headrace_wire.bounds``.
"""
