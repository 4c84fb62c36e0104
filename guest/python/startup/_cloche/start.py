"""Turns the process that holds a job into the user's program, up to the point where CPython opens its script.

What needs no job is done before one is there (`prepare`). What is left is done with as little Python as possible: each
function that runs writes to pages which the fork still shares, 2 µs a page, and that is most of what a start costs.
"""

import _thread
import builtins
import fcntl
import importlib.machinery
import importlib.util
import io
import os
import site
import sys
import termios
import threading
import time
import types

from . import leave

WORKSPACE = "/workspace"
SCRIPT = "/workspace/main.py"  # fixed: the zygote's interpreter was started to run this file
ENVIRONMENT_LAYER = "/opt/env/python"
USER_SITE = ".local/lib/python{}.{}/site-packages".format(*sys.version_info)
DEFAULT_USER_SITE = f"{WORKSPACE}/{USER_SITE}"
INTERPRETER = "/usr/bin/python3"
EXIT_CANNOT_RUN = 126
FD_MAX = 0x7FFFFFFF
# The zygote was started with these, so a job that adds none has its environment already.
DEFAULTS = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": WORKSPACE,
    "LANG": "C.UTF-8",
    "USER": "user",
}
TERMINAL = {"TERM": "xterm-256color"}
# Variables of Python's that take effect here as they do at start-up. Every other PYTHON… is read before the fork.
HONOURED = {"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP"}
# Read by the dynamic loader, the C library or OpenSSL when a process starts, never again.
READ_AT_START = ("LD_", "MALLOC_", "GLIBC_", "LC_", "OPENSSL_")
STANDARD_PATH = [entry for entry in sys.path if not entry.endswith(("site-packages", "dist-packages"))]

has_usercustomize = importlib.util.find_spec("usercustomize") is not None
execusercustomize = site.execusercustomize
stream_errors = sys.stdout.errors
stream_kinds = {}


# ---- before there is a job ----


def prepare(native, resident):
    """In a sandbox that stays warm, memory is given for speed: the pages that the start of a program will write are
    copied now, by living through one."""
    native.reseed()
    threading.main_thread()._native_id = _thread.get_native_id()
    find_packages(DEFAULTS)
    sys.path_importer_cache[SCRIPT] = None  # a file of source, which CPython would find out by asking every importer
    renew_main_module()
    prepare_streams()
    if resident:
        rehearse()


def renew_main_module():
    """The zygote froze its objects for the collector, the namespace of __main__ among them: a frozen one would keep
    whatever refers to itself through it (a class with methods) from being finalised at exit."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__loader__ = importlib.machinery.BuiltinImporter
    main.__annotations__ = {}
    main.__builtins__ = builtins
    leave.arm(main)


def skip_usercustomize():
    """In place of site.py's, once, when there is no such module: looking for it in vain takes longer than it seems."""
    site.execusercustomize = execusercustomize


def prepare_streams():
    """Most programs read nothing and write to pipes. Objects for that are made now and kept if it turns out so."""
    pipe = os.pipe()
    for fd in (1, 2):
        os.dup2(pipe[1], fd)
    for fd in (0, 1, 2):
        stream_kinds[fd] = kind_of(fd)
        open_stream(fd, unbuffered=False)
    for fd in pipe:
        os.close(fd)


def rehearse():
    """What CPython does between our return and the first line of a program, and a line of output."""
    importlib.machinery.SourceFileLoader("__main__", SCRIPT)
    namespace = {"__name__": "rehearsal"}
    exec(compile("import os\ndef one(): return [f'{os}', 1]\none()", SCRIPT, "exec"), namespace)
    null = open(os.devnull, "w")
    print("rehearsal", file=null)
    null.close()
    leave.rehearse()


# ---- with a job ----


def become_user_program(job, native):
    """Returns when the interpreter may go on to run SCRIPT, with the privileges, environment and streams of the job."""
    fields, stdio, terminal = job
    take_stdio(stdio, terminal)
    native.drop_to_user()
    args, env, cwd, file = fields["args"], fields["env"], fields["cwd"], fields["file"]
    try:
        if "rlimits" in fields:
            limit(fields["rlimits"])
        if fields["code"] is not None:
            write_script(fields["code"])
        os.chdir(cwd)
    except OSError as error:
        os.write(2, f"cloche: cannot start {file or SCRIPT}: {error}\n".encode())
        os._exit(EXIT_CANNOT_RUN)
    if terminal:
        env = {**TERMINAL, **env}
    argument = file or SCRIPT
    if needs_fresh_interpreter(file, env):
        os.execve(INTERPRETER, ["python3", argument, *args], {**DEFAULTS, **env})
    if env:
        take_environment(env)
    for fd in stream_kinds:
        if stream_kinds[fd] != kind_of(fd) or "PYTHONUNBUFFERED" in env:
            open_stream(fd, unbuffered=bool(env.get("PYTHONUNBUFFERED")))
    if "PYTHONPATH" in env or "HOME" in env or is_there(DEFAULT_USER_SITE):
        find_packages(os.environ)
    sys.argv[:] = [argument, *args]
    sys.orig_argv[:] = ["python3", argument, *args]


def forget_runtime():
    """Takes this package out of sight; leave.keep has it, so that nothing is spent on taking it apart."""
    for name in ("_cloche", "_cloche.leave", "_cloche.start", "_cloche.warm", "_cloche.worker"):
        del sys.modules[name]


def take_stdio(stdio, terminal):
    """The job's three descriptors and no other, in a session of their own: all else belongs to the runtime."""
    try:
        os.setsid()
    except PermissionError:
        pass  # it leads one already
    for target, fd in enumerate(stdio):
        os.dup2(fd, target)
    os.closerange(3, FD_MAX)
    if terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def limit(limits):
    import resource

    for kind, soft, hard in limits:
        resource.setrlimit(kind, (soft, hard))


def write_script(code):
    """The program is a file, as for `python3 main.py`: tracebacks, inspect and multiprocessing's spawn read it."""
    rest = code.encode()
    fd = os.open(SCRIPT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.close(fd)


def needs_fresh_interpreter(file, env):
    """True when a fork cannot be what `python3` would be: the script is another, or settings fixed at start differ."""
    if file is not None and os.path.realpath(file) != SCRIPT:
        return True
    for name in env:
        if name.startswith(READ_AT_START) or (name.startswith("PYTHON") and name not in HONOURED):
            return True
    return env.get("LANG", DEFAULTS["LANG"]) != DEFAULTS["LANG"]


def take_environment(env):
    os.environ.update(env)
    if "TZ" in env:
        time.tzset()
    sys.dont_write_bytecode = bool(env.get("PYTHONDONTWRITEBYTECODE"))


def kind_of(fd):
    status = os.fstat(fd)
    return status.st_mode & 0o170000, status.st_rdev


def open_stream(fd, unbuffered):
    """As create_stdio of CPython's pylifecycle.c does, on what the descriptor is now."""
    name = ("stdin", "stdout", "stderr")[fd]
    mode = "w" if fd else "r"
    raw_output = unbuffered and mode == "w"
    buffer = io.open(fd, mode + "b", buffering=0 if raw_output else -1, closefd=False)
    raw = buffer if raw_output else buffer.raw
    raw.name = f"<{name}>"
    stream = io.TextIOWrapper(
        buffer,
        encoding="utf-8",
        errors="backslashreplace" if fd == 2 else stream_errors,
        newline="\n",
        line_buffering=not unbuffered and (raw.isatty() or fd == 2),
        write_through=unbuffered,
    )
    stream.mode = mode
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


def find_packages(environment):
    """site.py looked for package folders before the sandbox and its user existed: it looks again if that matters."""
    user_site = os.path.join(environment["HOME"], USER_SITE)
    pythonpath = environment.get("PYTHONPATH")
    new = [entry for entry in (user_site, *site.getsitepackages(), ENVIRONMENT_LAYER) if entry not in sys.path]
    if not pythonpath and not any(is_there(entry) for entry in new):
        site.execusercustomize = execusercustomize if has_usercustomize else skip_usercustomize
        return
    site.execusercustomize = execusercustomize
    ahead = [os.path.abspath(entry) for entry in pythonpath.split(os.pathsep)] if pythonpath else []
    sys.path[:] = ahead + STANDARD_PATH
    site.USER_BASE = site.USER_SITE = None
    known = site.removeduppaths()
    site.addusersitepackages(known)
    site.addsitepackages(known)
    if is_there(ENVIRONMENT_LAYER) and not any(same_folder(ENVIRONMENT_LAYER, entry) for entry in sys.path):
        site.addsitedir(ENVIRONMENT_LAYER)
    sys.path_importer_cache.clear()


def is_there(path):
    try:
        os.stat(path)
    except OSError:
        return False
    return True


def same_folder(one, other):
    return os.path.realpath(one) == os.path.realpath(other)
