"""Starts the Python zygote: a warm interpreter that is forked into every sandbox.

The interpreter is started over as `python3 /workspace/main.py`, with the folder `startup` on its path, so that the
standard `sitecustomize` hook runs `_cloche` before it opens its script. There it waits. A forked child returns from
that hook and goes on by itself, inside its sandbox, to open and run `/workspace/main.py`. So what a program can observe
(`__main__`, tracebacks, frames, flags, finalisation, exit status) is not imitated: it is CPython's own.
"""

import os

CONTROL_FD = 3

folder = os.path.dirname(os.path.abspath(__file__))
os.set_inheritable(CONTROL_FD, True)
os.execve(
    "/usr/bin/python3",
    ["python3", "/workspace/main.py"],
    {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/workspace",
        "LANG": "C.UTF-8",
        "USER": "user",
        "PYTHONPATH": os.path.join(folder, "startup"),
    },
)
