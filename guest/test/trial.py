"""Plays launcher and init for one zygote, so that a runtime can be tested without them.

Usage: trial.py GUEST NODE ZYGOTE-COMMAND…, as root, in a mount namespace of its own. Builds a root over the machine's
(an overlay, gone with the namespace), starts the zygote there, then answers one JSON request per line:

  {"id", "job", "worker"?, "stdin"?, "pty"?, "timeoutMs"?}   fork a worker (or reuse the named, kept one) and run
  {"id", "cold": [argv], "files": {path: text}, …}            the same program the plain way, for comparison

with {"id", "status", "stdout", "stderr", "ms", "pid"}; status is the wait status, or "timeout"; data is base64.
"""

import base64
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

MOUNTS = """
mount -t tmpfs trial {dir} && mkdir {dir}/up {dir}/work {dir}/root &&
mount -t overlay trial {dir}/root -o lowerdir=/,upperdir={dir}/up,workdir={dir}/work &&
cd {dir}/root && mkdir -p opt/cloche opt/env workspace usr/local/bin && touch usr/local/bin/node &&
chmod 1777 workspace tmp && mount --bind {guest} opt/cloche && mount --bind {node} usr/local/bin/node &&
rm -rf usr/local/lib/python3.11/dist-packages && ln -s /opt/env/python usr/local/lib/python3.11/dist-packages &&
ln -sfn /opt/env/node/node_modules node_modules && if test -d {env}; then mount --rbind {env} opt/env; fi &&
mount -t proc proc proc && mount --rbind /dev dev
"""
FLAG_PTY, FLAG_KEEP = 1, 8
answering = threading.Lock()


def build_root(guest, node):
    folder = tempfile.mkdtemp()
    layer = os.environ.get("TRIAL_LAYER", "/nonexistent")
    subprocess.run(["sh", "-ec", MOUNTS.format(dir=folder, guest=guest, node=node, env=layer)], check=True)
    return folder + "/root"


def start_zygote(command):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def place():
        os.dup2(theirs.fileno(), 3)

    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/workspace", "LANG": "C.UTF-8", "UV_USE_IO_URING": "0"}
    process = subprocess.Popen(command, preexec_fn=place, close_fds=False, env=environment, stdin=subprocess.DEVNULL)
    theirs.close()
    return process, ours


class Worker:
    """A forked runtime waiting for jobs, and the ends of everything its PID 1 reaps."""

    def __init__(self, control):
        self.socket, theirs = socket.socketpair()
        reports, report = os.pipe()
        self.started = time.perf_counter()
        socket.send_fds(control, [b"s"], [theirs.fileno(), report])
        theirs.close()
        os.close(report)
        self.reports = os.fdopen(reports, "rb")
        self.ends = {}
        self.condition = threading.Condition()
        if self.socket.recv(1) != b"R":
            raise RuntimeError("the worker did not come up")
        self.ready_ms = (time.perf_counter() - self.started) * 1e3
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self):
        while len(report := self.reports.read(8)) == 8:
            pid, status = struct.unpack("<ii", report)
            with self.condition:
                self.ends[pid] = status
                self.condition.notify_all()
        with self.condition:
            self.ends[None] = True
            self.condition.notify_all()

    def run(self, job, fds, flags):
        text = json.dumps(job).encode()
        socket.send_fds(self.socket, [struct.pack("<II", len(text), flags)], fds)
        self.socket.sendall(text)
        return struct.unpack("<I", self.socket.recv(4))[0] if flags & FLAG_KEEP else 2

    def wait(self, pid, timeout):
        with self.condition:
            self.condition.wait_for(lambda: pid in self.ends or None in self.ends, timeout)
            return self.ends.get(pid, "timeout" if None not in self.ends else "lost")


def pump(fd, into):
    try:
        while part := os.read(fd, 1 << 16):
            into.append(part)
    except OSError:
        pass
    os.close(fd)


def feed(fd, text):
    try:
        while text:
            text = text[os.write(fd, text) :]
    except OSError:
        pass
    os.close(fd)


def streams(request):
    """The program's three descriptors, and the threads that serve their other ends."""
    stdin = base64.b64decode(request["stdin"]) if request.get("stdin") is not None else None
    if request.get("pty"):
        ours, slave = pty.openpty()
        out = []
        if stdin:
            os.write(ours, stdin)
        return [slave] * 3, [threading.Thread(target=pump, args=(ours, out), daemon=True)], out, []
    out, err = [], []
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    for end in (out_write, err_write):
        os.fchown(end, 1000, 1000)
    threads = [threading.Thread(target=pump, args=pair, daemon=True) for pair in ((out_read, out), (err_read, err))]
    if stdin is None:
        source = os.open("/dev/null", os.O_RDONLY)
    else:
        source, sink = os.pipe()
        threads.append(threading.Thread(target=feed, args=(sink, stdin), daemon=True))
    return [source, out_write, err_write], threads, out, err


def run_fork(request, kept, control):
    name = request.get("worker")
    worker = kept.get(name) or Worker(control)
    if name:
        kept[name] = worker
    fds, threads, out, err = streams(request)
    flags = (FLAG_KEEP if name else 0) | (FLAG_PTY if request.get("pty") else 0)
    sent = time.perf_counter()
    for thread in threads:
        thread.start()
    pid = worker.run(request["job"], fds, flags)
    for fd in set(fds):
        os.close(fd)
    status = worker.wait(pid, request.get("timeoutMs", 30000) / 1e3)
    ms = (time.perf_counter() - sent) * 1e3
    for thread in threads:
        thread.join(0 if status == "timeout" else 2)
    if not name:
        worker.socket.close()
    return answer(status, out, err, ms=ms, forkMs=worker.ready_ms, pid=pid)


def run_cold(request):
    fds, threads, out, err = streams(request)

    def prepare():
        for name, text in request.get("files", {}).items():
            with open(name, "w") as file:
                file.write(text)
        if request.get("pty"):
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    sent = time.perf_counter()
    process = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *request["cold"]]
        if request.get("namespaces")
        else request["cold"],
        stdin=fds[0], stdout=fds[1], stderr=fds[2], cwd=request.get("cwd", "/workspace"), preexec_fn=prepare,
        start_new_session=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/workspace", "LANG": "C.UTF-8", "USER": "user", **request.get("env", {})},
        user=1000, group=1000, extra_groups=[],
    )  # fmt: skip
    for fd in set(fds):
        os.close(fd)
    for thread in threads:
        thread.start()
    try:
        _, status = os.waitpid(process.pid, 0) if request.get("wait", True) else (0, 0)
    except ChildProcessError:
        status = "lost"
    process.returncode = 0
    ms = (time.perf_counter() - sent) * 1e3
    for thread in threads:
        thread.join(2)
    return answer(status, out, err, ms=ms)


def answer(status, out, err, **more):
    return {"status": status, "stdout": base64.b64encode(b"".join(out)).decode(), "stderr": base64.b64encode(b"".join(err)).decode(), **more}  # fmt: skip


def serve(request, kept, control):
    try:
        result = run_cold(request) if "cold" in request else run_fork(request, kept, control)
    except Exception as error:
        result = {"error": repr(error)}
    with answering:
        print(json.dumps({"id": request["id"], **result}), flush=True)


def main(guest, node, *command):
    root = build_root(guest, node)
    os.chroot(root)
    os.chdir("/workspace")
    zygote, control = start_zygote(command)
    print(json.dumps({"zygote": zygote.pid}), flush=True)
    kept = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("worker"):
            serve(request, kept, control)  # jobs of one kept worker go one after the other
        else:
            threading.Thread(target=serve, args=(request, kept, control), daemon=True).start()
    control.close()
    zygote.send_signal(signal.SIGKILL)


main(*sys.argv[1:])
