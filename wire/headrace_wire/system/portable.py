"""Whether this process avoids features that only some systems have.

With ``HEADRACE_PORTABLE=1``, it does on Linux what it does on systems without epoll, fork server,
Unix sockets and so on, so that this can be tested without such a system. For each of these
features, one module decides at its import whether it is used.
"""

from __future__ import annotations

import os

#: The name of the variable, which children of an embedded cluster inherit.
VARIABLE = "HEADRACE_PORTABLE"

#: Whether features that only some systems have are not used.
PORTABLE = os.environ.get(VARIABLE) == "1"
