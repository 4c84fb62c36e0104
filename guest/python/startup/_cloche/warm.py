"""What the zygote does once, so that no sandbox has to: imports, and memory laid out to stay shared after forks."""

import ctypes
import gc
import os
import sys
import types

from . import leave

# Each is used by many programs and keeps no state that two processes must not share. Left out on purpose:
# multiprocessing (an authentication key is drawn at import) and whatever starts threads at import.
COMMON = """
    abc argparse ast base64 bisect calendar collections.abc concurrent.futures contextlib copy csv ctypes dataclasses
    datetime decimal enum fnmatch fractions functools glob hashlib heapq hmac html http.client inspect io ipaddress
    itertools json locale logging math numbers operator os pathlib pickle platform pprint queue random re secrets
    selectors shlex shutil signal socket statistics string struct subprocess tempfile textwrap threading time
    traceback types typing unicodedata urllib.parse urllib.request uuid warnings weakref zlib
""".split()

OPENSSL = "libcrypto.so.3"
OPENSSL_INIT_NO_ATEXIT = 0x00080000


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
    keep_openssl_at_exit()
    for name in COMMON:
        try:
            __import__(name)
        except ImportError:
            pass  # a distribution may package it separately; programs then meet the same absence


def keep_openssl_at_exit():
    """Freeing its tables one by one takes a millisecond of page copying, right before the process goes anyway."""
    try:
        library = ctypes.CDLL(OPENSSL)
    except OSError:
        return  # this Python brings an OpenSSL of its own
    library.OPENSSL_init_crypto(ctypes.c_uint64(OPENSSL_INIT_NO_ATEXIT), None)


def settle():
    """Objects alive now are never collected or torn down, so nothing writes to the pages that forks share only to
    free them. What the program itself makes is finalised as ever."""
    leave.keep(sys.modules)
    ctypes.PyDLL(leave.LIBRARY).cloche_share_text()
    gc.collect()
    gc.freeze()
