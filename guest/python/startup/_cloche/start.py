"""Turns the process that holds a job into the user's program, up to the point where CPython opens its script."""

import builtins
import fcntl
import importlib.machinery
import importlib.util
import io
import json
import os
import resource
import signal
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
INTERPRETER = "/usr/bin/python3"
EXIT_CANNOT_RUN = 126
DEFAULTS = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": WORKSPACE,
    "LANG": "C.UTF-8",
    "USER": "user",
}
# Variables of Python's that take effect here as they do at start-up. Every other PYTHON… is read before the fork.
HONOURED = {"PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONSTARTUP"}
# Read by the dynamic loader, the C library or OpenSSL when a process starts, never again.
READ_AT_START = ("LD_", "MALLOC_", "GLIBC_", "LC_", "OPENSSL_")
STANDARD_PATH = [entry for entry in sys.path if not entry.endswith(("site-packages", "dist-packages"))]


def prepare(native, resident):
    """What needs no job, done before one is there. In a sandbox that stays warm, memory is given for speed: the pages
    that the start of a program will write are copied now, by living through one."""
    native.reseed()
    find_packages(DEFAULTS)
    if resident:
        rehearse()


def rehearse():
    main = new_main_module()
    text = json.dumps({"language": "python", "code": "", "file": None, "args": [""], "env": {"A": "b"}, "cwd": "/"})
    fields = json.loads(text)
    os.environ.update({**DEFAULTS, **fields["env"]})
    take_environment(DEFAULTS)
    importlib.util.find_spec("usercustomize")
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", SCRIPT)
    stream = open_stream(1, "w", sys.stdout.errors, False)
    with open(os.devnull, "w") as script, open(os.devnull, "rb", buffering=0) as source:
        script.write(text)
        source.read()
    exec(compile("import os\ndef one(): print('', file=stream, flush=True)\none()", SCRIPT, "exec"), {"stream": stream})
    leave.rehearse()


def become_user_program(job, native):
    """Returns when the interpreter may go on to run SCRIPT, with the privileges, environment and streams of the job."""
    own_session(job)
    take_stdio(job)
    native.drop_to_user()
    try:
        for kind, soft, hard in job.rlimits:
            resource.setrlimit(kind, (soft, hard))
        os.umask(0o022)
        script = place_script(job)
        os.chdir(job.cwd)
    except OSError as error:
        os.write(2, f"cloche: cannot start {job.file or SCRIPT}: {error}\n".encode())
        os._exit(EXIT_CANNOT_RUN)
    environment = {**DEFAULTS, **({"TERM": "xterm-256color"} if job.pty else {}), **job.env}
    argument = os.path.basename(script) if job.file is None and job.cwd == WORKSPACE else script
    if needs_fresh_interpreter(job, environment):
        os.execve(INTERPRETER, ["python3", argument, *job.args], environment)
    take_environment(environment)
    open_streams(unbuffered=bool(environment.get("PYTHONUNBUFFERED")))
    find_packages(environment)
    renew_main_module()
    sys.argv[:] = [argument, *job.args]
    sys.orig_argv[:] = ["python3", argument, *job.args]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def forget_runtime():
    """Takes this package out of sight; leave.keep has it, so that nothing is spent on taking it apart."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "_cloche"]:
        del sys.modules[name]


def needs_fresh_interpreter(job, environment):
    """True when a fork cannot be what `python3` would be: the script is another, or settings fixed at start differ."""
    if job.file is not None and os.path.realpath(os.path.join(job.cwd, job.file)) != SCRIPT:
        return True
    return environment["LANG"] != DEFAULTS["LANG"] or any(
        name.startswith(READ_AT_START) or (name.startswith("PYTHON") and name not in HONOURED) for name in environment
    )


def renew_main_module():
    """The zygote froze its objects for the collector, the namespace of __main__ among them: a frozen one would keep
    whatever refers to itself through it (a class with methods) from being finalised at exit."""
    main = sys.modules["__main__"] = new_main_module()
    leave.arm(main)


def new_main_module():
    main = types.ModuleType("__main__")
    main.__loader__ = importlib.machinery.BuiltinImporter
    main.__annotations__ = {}
    main.__builtins__ = builtins
    return main


def own_session(job):
    try:
        os.setsid()
    except PermissionError:
        pass  # it leads one already
    if job.pty:
        fcntl.ioctl(job.stdio[0], termios.TIOCSCTTY, 0)


def take_stdio(job):
    """The job's three descriptors and no other: whatever else is open belongs to the runtime."""
    for target, fd in enumerate(job.stdio):
        os.dup2(fd, target)
    os.closerange(3, resource.RLIM_INFINITY if resource.RLIM_INFINITY > 0 else 0x7FFFFFFF)


def place_script(job):
    """The program is a file, as for `python3 main.py`: tracebacks, inspect and multiprocessing's spawn read it."""
    if job.code is None:
        return job.file
    fd = os.open(SCRIPT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    with open(fd, "wb") as script:
        script.write(job.code.encode())
    return SCRIPT


def take_environment(environment):
    os.environ.clear()
    os.environ.update(environment)
    if "TZ" in environment:
        time.tzset()
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    threading.main_thread()._set_native_id()


def open_streams(unbuffered):
    """As create_stdio of CPython's pylifecycle.c does, on what the descriptors are now."""
    sys.stdin = sys.__stdin__ = open_stream(0, "r", sys.stdin.errors, unbuffered)
    sys.stdout = sys.__stdout__ = open_stream(1, "w", sys.stdout.errors, unbuffered)
    sys.stderr = sys.__stderr__ = open_stream(2, "w", "backslashreplace", unbuffered)


def open_stream(fd, mode, errors, unbuffered):
    name = ("<stdin>", "<stdout>", "<stderr>")[fd]
    raw_output = unbuffered and mode == "w"
    buffer = open(fd, mode + "b", buffering=0 if raw_output else -1, closefd=False)
    raw = buffer if raw_output else buffer.raw
    raw.name = name
    stream = io.TextIOWrapper(
        buffer,
        encoding="utf-8",
        errors=errors,
        newline="\n",
        line_buffering=not unbuffered and (raw.isatty() or fd == 2),
        write_through=unbuffered,
    )
    stream.mode = mode
    return stream


def find_packages(environment):
    """site.py looked for package folders before the sandbox and its user existed: it looks again if that matters."""
    user_site = os.path.join(environment["HOME"], USER_SITE)
    folders = [user_site, *site.getsitepackages(), ENVIRONMENT_LAYER]
    if not environment.get("PYTHONPATH") and all(entry in sys.path or not os.path.isdir(entry) for entry in folders):
        return
    ahead = environment["PYTHONPATH"].split(os.pathsep) if environment.get("PYTHONPATH") else []
    sys.path[:] = [os.path.abspath(entry) for entry in ahead] + STANDARD_PATH
    site.USER_BASE = site.USER_SITE = None
    known = site.removeduppaths()
    site.addusersitepackages(known)
    site.addsitepackages(known)
    if os.path.isdir(ENVIRONMENT_LAYER) and not any(same_folder(ENVIRONMENT_LAYER, entry) for entry in sys.path):
        site.addsitedir(ENVIRONMENT_LAYER)
    sys.path_importer_cache.clear()


def same_folder(one, other):
    return os.path.realpath(one) == os.path.realpath(other)
