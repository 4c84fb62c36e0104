"""The Python runtime of Cloche: one interpreter is warmed, forked into each sandbox, and becomes the user's program.

Guarantees: user code runs as if by `python3 main.py`, as the unprivileged user, with fresh randomness and no descriptor
but its own three. What a fork cannot give (another hash seed, another locale, a changed loader) is done by executing
the interpreter again in the same process, so a program is never run under settings it did not ask for.

Does not: isolate. The sandbox is around it before any of this runs.
"""

import functools
import os
import sys
import traceback

CONTROL_FD = 3
EXIT_BROKEN = 70


def become_program():
    """Serves as the zygote. Returns in a process in which the interpreter may go on and run its script."""
    try:
        # From here on nothing may raise into site.py: it would go on and run a script outside any sandbox.
        from . import leave, warm

        warm.hide_startup_path()
        leave.prepare()
        from . import start, worker

        warm.import_common_modules()
        native = worker.load_native()
        warm.settle()
        job = worker.next_job(native, CONTROL_FD, functools.partial(start.prepare, native))
        start.become_user_program(job, native)
        start.forget_runtime()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(EXIT_BROKEN)
