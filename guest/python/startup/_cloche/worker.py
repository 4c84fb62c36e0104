"""From zygote to a process that holds a job: forks, the socket to init, and the descriptors a job comes with."""

import _signal
import ctypes
import json
import os
import socket
import struct

LIBRARY = "/opt/cloche/libcloche-zygote.so"
HEADER = struct.Struct("<II")
PID = struct.Struct("<I")
READY = b"R"
FLAG_PTY = 1
FLAG_KEEP = 8
JOB_MAX = 1 << 20
STDIO = struct.Struct("3i")
RIGHTS_SPACE = socket.CMSG_SPACE(STDIO.size)

scan_json = json.JSONDecoder().scan_once


class Hooks(ctypes.Structure):
    """`struct cloche_hooks` of native/zygote/zygote.h."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("before_fork", "after_fork_parent", "after_fork_child")]


class Native:
    """The zygote library. Calls keep the interpreter's lock, as a fork of the interpreter must."""

    def __init__(self, path):
        library = ctypes.PyDLL(path)
        python = ctypes.pythonapi
        self._hooks = Hooks(
            *(
                ctypes.cast(function, ctypes.c_void_p)
                for function in (python.PyOS_BeforeFork, python.PyOS_AfterFork_Parent, python.PyOS_AfterFork_Child)
            )
        )
        self._serve = library.cloche_zygote_serve
        self._fork_keep = library.cloche_fork_keep
        self._drop = library.cloche_drop_to_user
        self._reseed_openssl = _openssl_function("RAND_poll")
        self.reseed()  # builds the generator here; a forked child only feeds it

    def serve(self, control_fd):
        return _checked(self._serve(control_fd, ctypes.byref(self._hooks)), "serve")

    def fork_keep(self):
        return _checked(self._fork_keep(ctypes.byref(self._hooks)), "fork")

    def drop_to_user(self):
        _checked(self._drop(), "drop privileges")

    def reseed(self):
        """Python's own generator reseeds itself after a fork; OpenSSL's notices a fork only by a changed pid, and two
        sandboxes can give their processes the same one."""
        if self._reseed_openssl is not None and self._reseed_openssl() != 1:
            raise OSError("OpenSSL could not be reseeded")


def _checked(result, what):
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")
    return result


def _openssl_function(name):
    """From the OpenSSL that hashlib and ssl have loaded, if they have."""
    with open("/proc/self/maps") as maps:
        loaded = {line.split(maxsplit=5)[5].strip() for line in maps if "libcrypto.so" in line}
    return getattr(ctypes.PyDLL(loaded.pop()), name) if loaded else None


def load_native():
    return Native(LIBRARY)


def next_job(native, control_fd, prepare):
    """Serves forks as the zygote; returns in a process that has one job to run. `prepare` runs in it before it asks
    for one.

    In a sandbox that is used once, the first worker runs the job itself. In one that is kept it stays: for the first
    job it forks, and from then on it forks ahead, so that each later job finds a prepared process waiting.
    """
    worker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=native.serve(control_fd))
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    prepare(resident=False)
    worker.sendall(READY)
    text, flags, stdio = _receive(worker)
    if flags & FLAG_KEEP:
        child = native.fork_keep()
        if child:
            for fd in stdio:
                os.close(fd)
            worker.sendall(PID.pack(child))
            text, flags, stdio = _fork_ahead(native, worker, prepare)
        else:
            prepare(resident=False)
    worker.detach()  # its descriptor is closed with all others
    fields, _ = scan_json(text.decode(), 0)
    return fields, stdio, bool(flags & FLAG_PTY)


def _fork_ahead(native, worker, prepare):
    """Returns in a fork that has taken its job; the one it was forked from goes on to the next when told so."""
    while True:
        was_taken, taken = os.pipe()
        if native.fork_keep() == 0:
            os.close(was_taken)
            prepare(resident=True)
            worker.sendall(READY)
            job = _receive(worker)
            worker.sendall(PID.pack(os.getpid()))
            os.write(taken, READY)
            os.close(taken)
            return job
        os.close(taken)
        if not os.read(was_taken, 1):
            os._exit(1)  # it was killed while it waited: this sandbox takes no more jobs
        os.close(was_taken)


def _receive(worker):
    """A job's text, flags and descriptors."""
    head, ancillary, _, _ = worker.recvmsg(HEADER.size, RIGHTS_SPACE, socket.MSG_CMSG_CLOEXEC)
    if not head:
        os._exit(0)  # init has no more use for this worker
    head += _read(worker, HEADER.size - len(head))
    length, flags = HEADER.unpack(head)
    if length > JOB_MAX or len(ancillary) != 1 or len(ancillary[0][2]) != STDIO.size:
        raise ValueError(f"not a job: {length} bytes with {len(ancillary)} sets of descriptors")
    return _read(worker, length), flags, STDIO.unpack(ancillary[0][2])


def _read(worker, length):
    data = b""
    while len(data) < length:
        part = worker.recv(length - len(data))
        if not part:
            raise EOFError("the job ended early")
        data += part
    return data
