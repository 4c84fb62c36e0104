"""What the zygote does once, so that no sandbox has to: imports, and memory laid out to stay shared after forks."""

import gc
import os
import sys
import types

from . import leave

# What programs import most. Each module costs every program a little (a fork copies and frees page tables, and the more
# memory, the more scattered the pages it writes), so those that bring big libraries are not here: ssl and what needs it,
# decimal, asyncio, compression. Nor may any keep state that two processes must not share, as multiprocessing does (it
# draws an authentication key at import), or start threads.
COMMON = """
    abc base64 bisect collections.abc contextlib copy ctypes dataclasses datetime enum functools glob heapq inspect io
    itertools json math numbers operator os pathlib pprint random re selectors shlex signal socket string struct
    subprocess textwrap threading time traceback types typing unicodedata urllib.parse warnings weakref
""".split()


def hide_startup_path():
    """Leaves no trace of how the zygote was hooked in: programs see the distribution's sitecustomize, or an empty one."""
    startup = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path[:] = [entry for entry in sys.path if entry != startup]
    sys.path_importer_cache.pop(startup, None)
    os.environ.pop("PYTHONPATH", None)
    ours = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # noqa: F401
    except ImportError:
        # The import of ours is still under way and expects an entry of this name when it ends.
        sys.modules["sitecustomize"] = types.ModuleType(ours.__name__)


def import_common_modules():
    for name in COMMON:
        try:
            __import__(name)
        except ImportError:
            pass  # a distribution may package it separately; programs then meet the same absence


def settle():
    """Objects alive now are never collected or torn down, so nothing writes to the pages that forks share only to
    free them. What the program itself makes is finalised as ever."""
    leave.keep(sys.modules)
    leave.runtime_library().cloche_share_text()
    gc.collect()
    gc.freeze()
