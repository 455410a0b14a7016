"""Every message that crosses the wire. The words are those of the glossary in docs/architecture.md.

Times called ``…_at`` are Unix seconds, for people; durations are ``…_seconds``. ``parameters``,
``inputs`` and ``values`` are opaque bytes to the coordinator: encoded where they are made and
decoded where they are used. The annotation of a field says what it may contain; see
``headrace_wire.bounds``.
"""
