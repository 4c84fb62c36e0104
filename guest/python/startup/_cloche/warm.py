"""What the zygote does once, so that no sandbox has to: imports, and memory laid out to stay shared after forks."""

import gc
import os
import sys
import types

# Each is used by many programs and keeps no state that two processes must not share. Left out on purpose:
# multiprocessing (an authentication key is drawn at import) and whatever starts threads at import.
COMMON = """
    abc argparse ast base64 bisect calendar collections.abc concurrent.futures contextlib copy csv ctypes dataclasses
    datetime decimal enum fnmatch fractions functools glob hashlib heapq hmac html http.client inspect io ipaddress
    itertools json locale logging math numbers operator os pathlib pickle platform pprint queue random re secrets
    selectors shlex shutil signal socket statistics string struct subprocess tempfile textwrap threading time
    traceback types typing unicodedata urllib.parse urllib.request uuid warnings weakref zlib
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
    """Objects alive now are never collected, so the collector does not write to pages that forks share."""
    gc.collect()
    gc.freeze()
