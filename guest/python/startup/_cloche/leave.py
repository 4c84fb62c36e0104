"""The end of a program: CPython's own finalisation, without its work on what every fork shares."""

import atexit
import ctypes
import os
import sys

LIBRARY = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "runtime.so")
NOT_SHARED = ("__main__", "builtins", "sys", "sitecustomize")

shared = {}
_library = None


def runtime_library():
    return ctypes.PyDLL(LIBRARY)


def prepare():
    """Once, in the zygote, before anything else registers an exit function: the first registered runs last."""
    global _library
    atexit.register(_at_exit)
    library = runtime_library()
    namespace, code = {}, compile("", "check", "exec")
    library.cloche_leave_watch(ctypes.c_void_p(id(namespace)), ctypes.c_void_p(id(code)))
    exec(code, namespace)
    if library.cloche_leave_checked():
        _library = library  # else this interpreter is built another way: its finalisation runs to the end


def keep(modules):
    """Notes the modules that finalisation need not take apart."""
    shared.update((name, module) for name, module in modules.items() if name not in NOT_SHARED)


def arm(main):
    """In a child, once `main` is the module the program will run in."""
    if _library is not None:
        _library.cloche_leave_arm(ctypes.c_void_p(id(main.__dict__)))


def rehearse():
    """Touches what the end of a program will."""
    list(shared.values())
    dict(sys.modules)


def _at_exit():
    """Runs after every other exit function. Finalisation empties each module it finds, 6 ms of page copying for the
    shared ones: it shall not find them, and their last reference shall never go."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(shared))
    for name, module in shared.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BaseException:
            if _library is not None:
                _library.cloche_leave_disarm()
