"""Whether this process does without what only some systems have.

``HEADRACE_PORTABLE=1`` has it do on Linux what it does where there is no epoll, no fork server, no
Unix socket and so on, so that this can be tried without such a system. Each of those things has one
module that decides at its import whether it is used.
"""

from __future__ import annotations

import os

#: The name of the variable, which children of an embedded cluster are given too.
VARIABLE = "HEADRACE_PORTABLE"

#: Whether what only some systems have is left unused.
PORTABLE = os.environ.get(VARIABLE) == "1"
