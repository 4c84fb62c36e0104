/** A Python program cannot tell, by what it prints and how it ends, that it was forked from a warm interpreter. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { type Program, Runtimes, sameInEveryWay } from '../../test/runtime.ts'

const runtimes = await Runtimes.open()
after(() => runtimes.close())

async function same(
  code: string,
  more: Partial<Program> = {},
): Promise<{ stdout: string; stderr: string; end: unknown }> {
  const outcome = await sameInEveryWay(runtimes, { language: 'python', code, ...more })
  const end = outcome.signal ?? outcome.code
  return { stdout: outcome.stdout.toString(), stderr: outcome.stderr, end }
}

test('its module, arguments, paths, flags and environment are those of `python3 FILE`', async () => {
  const { stdout } = await same(
    `
import os, site, sys
print(sorted(globals()), __name__, __file__, __spec__, type(__loader__).__name__, __builtins__)
print(sys.argv, sys.orig_argv, sys.path, sys.flags, sys.executable, sys.warnoptions, sys._xoptions)
print(sorted(os.environ.items()), os.getcwd(), os.getuid(), os.getgid(), os.getgroups(), os.umask(0))
print(sys.gettrace(), sys.getprofile(), sys.excepthook, sys.displayhook, sys.getrecursionlimit(), sys.getswitchinterval())
print(site.ENABLE_USER_SITE, site.getusersitepackages(), site.execusercustomize.__module__, sys.meta_path, len(sys.path_hooks))
print(sys._getframe().f_back, sorted(os.listdir('/proc/self/fd')), sys.modules['__main__'].__dict__ is globals())
import resource, signal
print([signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD)], signal.pthread_sigmask(0, []))
print(resource.getrlimit(resource.RLIMIT_NOFILE), os.getpgrp() == os.getpid() == os.getsid(0))`,
    { args: ['a b', '', 'ü'], env: { NAME: 'välue', EMPTY: '' } },
  )
  assert.match(stdout, /\/workspace\/main\.py', 'a b', '', 'ü'/)
})

test('its streams have the encoding, buffering and names that Python gives them', async () => {
  const describe = `
import sys
for s in (sys.stdin, sys.stdout, sys.stderr):
    raw = getattr(s.buffer, 'raw', s.buffer)
    print(s, s.name, s.mode, s.encoding, s.errors, s.newlines, s.line_buffering, s.write_through, s.isatty(),
          type(s.buffer), type(raw), raw.name, raw.mode, raw.closefd, s.fileno(), s.seekable(), s is getattr(sys, '__' + s.name[1:-1] + '__'))`
  await same(describe)
  await same(describe, { stdin: 'x' })
  await same(describe, { env: { PYTHONUNBUFFERED: '1' } })
  const { stdout } = await same(describe, { pty: { cols: 80, rows: 25 } })
  assert.match(stdout, /True True True|True False True/)
})

test('standard input is read whole, by line, and as bytes, and is empty when there is none', async () => {
  const lines = Array.from({ length: 20_000 }, (_, n) => `line ${n} ü`).join('\n')
  const { stdout } = await same(
    'import sys\nprint(input()); print(len(sys.stdin.read())); print(sys.stdin.buffer.read())',
    {
      stdin: lines,
    },
  )
  assert.match(stdout, /^line 0 ü\n2/)
  await same('import sys\nprint(sys.stdin.buffer.read(7)); print(sum(1 for _ in sys.stdin))', {
    stdin: lines,
  })
  const { stderr, end } = await same('input()')
  assert.match(stderr, /EOFError: EOF when reading a line/)
  assert.equal(end, 1)
})

test('an uncaught error prints the traceback with source lines and ends with 1', async () => {
  const { stderr, end } = await same(`
def inner(value):
    return 1 / value  # the line

try:
    inner(0)
except ZeroDivisionError as cause:
    raise ValueError("outer") from cause`)
  assert.match(stderr, /File "\/workspace\/main\.py", line 3, in inner\n {4}return 1 \/ value {2}# the line/)
  assert.match(stderr, /ValueError: outer\n$/)
  assert.equal(end, 1)
  await same('def f(:\n  pass')
  await same('print("a")\n  print("b")')
  await same('x = "\\ud800"; print(x)')
  await same('raise ExceptionGroup("two", [ValueError(1), TypeError(2)])')
  await same('import sys\nsys.excepthook = lambda *what: print("mine", what[0])\n1/0')
  await same(
    'import traceback, warnings\ntraceback.print_stack(); warnings.warn("here", stacklevel=1); warnings.warn("above", stacklevel=2)',
  )
  await same('def f(): f()\nf()')
})

test('exit codes are those given to sys.exit, and messages go to standard error', async () => {
  for (const [argument, code] of [
    ['', 0],
    ['7', 7],
    ['None', 0],
    ['True', 1],
    ['-1', 255],
    ['300', 44],
    ['"bye"', 1],
    ['(1, 2)', 1],
  ] as const) {
    const { end } = await same(`import sys\nprint("out")\nsys.exit(${argument})`)
    assert.equal(end, code)
  }
  assert.equal((await same('raise SystemExit(3)')).end, 3)
  assert.equal((await same('exit(4)')).end, 4)
  assert.equal((await same('import os\nprint("lost")\nos._exit(5)')).end, 5)
  assert.equal((await same('del __file__, __cached__\nimport sys\nsys.exit(6)')).end, 6)
  assert.equal((await same('globals().clear()\nraise SystemExit(8)')).end, 8)
  assert.equal(
    (
      await same(
        'import sys\nclass E(SystemExit):\n  @property\n  def code(self): print("asked"); return 9\nraise E',
      )
    ).end,
    9,
  )
  assert.equal((await same('import sys\nsys.last_type = 1\nsys.exit(10)')).end, 10)
})

test('whatever a program leaves to its end happens, in Python’s order', async () => {
  const { stdout } = await same(`
import atexit, sys, threading, time, weakref
class Thing:
    def __init__(self, name): self.name = name
    def __del__(self): print("gone", self.name)
def late():
    time.sleep(0.1); print("thread")
one, loop = Thing("one"), Thing("loop")
loop.self = loop
function_of_module = lambda: loop
watched = Thing("watched"); weakref.finalize(watched, print, "finalised")
atexit.register(print, "first registered"); atexit.register(print, "last registered")
threading.Thread(target=late).start()
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
file = open("unflushed", "w"); file.write("text")
print("end of module", end="")
sys.exit(3)`)
  assert.match(stdout, /^end of modulethread\nlast registered\nfirst registered\n/)
  assert.match(stdout, /gone one/)
  assert.match(stdout, /gone loop/)
  const { end } = await same('import atexit\natexit.register(lambda: 1/0)\nprint("x")')
  assert.equal(end, 0)
  await same(
    'import builtins\nclass T:\n  def __del__(self): print("late")\nbuiltins.kept = T()\nimport json; json.kept = T()\ndel json.kept',
  )
  await same(
    'import threading\nlocal = threading.local()\nclass T:\n  def __del__(self): print("local gone")\nlocal.t = T()',
  )
})

test('output that cannot be written ends the program as Python ends it', async () => {
  assert.equal((await same('import os\nprint("x")\nos.close(1)')).end, 120)
  assert.equal((await same('import sys\nsys.stdout.close()')).end, 0)
  assert.equal((await same('import sys\nsys.stdout = None; sys.stderr = None')).end, 0)
  assert.equal(
    (await same('import os\nos.dup2(os.open("/dev/full", os.O_WRONLY), 1)\nprint("x" * 100000)')).end,
    1,
  )
})

test('50 MB of output arrive whole', async () => {
  const { stdout } = await same('import sys\nfor n in range(50): sys.stdout.write(str(n % 10) * (1 << 20))')
  assert.equal(stdout.length, 50 << 20)
})

test('signals end a program as they end Python', async () => {
  assert.equal((await same('import os\nos.kill(os.getpid(), 15)')).end, 'SIGTERM')
  assert.equal((await same('import os\nprint("lost"); os.abort()')).end, 'SIGABRT')
  // Which line is interrupted is chance.
  const sleeps = {
    language: 'python',
    code: 'import time\nprint("ready", flush=True)\ntime.sleep(60)',
  } as const
  for (const way of ['cold', 'fork', 'kept'] as const) {
    const interrupted = await runtimes.run({ ...sleeps, interruptAfter: 'ready' }, way)
    assert.match(interrupted.stderr, /^Traceback[^]*main\.py[^]*\nKeyboardInterrupt\n$/)
    assert.deepEqual([interrupted.code, interrupted.signal], [null, 'SIGINT'])
  }
  const caught = await same(
    'import time\ntry: print("ready", flush=True); time.sleep(60)\nexcept KeyboardInterrupt: print("caught")',
    { interruptAfter: 'ready' },
  )
  assert.deepEqual([caught.stdout, caught.end], ['ready\ncaught\n', 0])
  const { stdout } = await same(`
import signal, os
signal.signal(signal.SIGUSR1, lambda *a: print("usr1"))
signal.pthread_kill(__import__("threading").main_thread().ident, signal.SIGUSR1)
os.kill(os.getpid(), signal.SIGUSR1); signal.alarm(1); signal.signal(signal.SIGALRM, lambda *a: print("alarm")); signal.pause()`)
  assert.equal(stdout, 'usr1\nusr1\nalarm\n')
})

test('settings that a running interpreter cannot take are taken by a new one', async () => {
  const hash = 'print(hash("x"), __import__("sys").flags.hash_randomization)'
  await same(hash, { env: { PYTHONHASHSEED: '0' } })
  await same('import sys\nprint(sys.flags, sys.stdout.encoding, sys.warnoptions)', {
    env: { PYTHONOPTIMIZE: '2', PYTHONWARNINGS: 'error', PYTHONIOENCODING: 'latin-1' },
  })
  await same('import sys, locale\nprint(sys.stdout.errors, locale.getlocale(), sys.flags.utf8_mode)', {
    env: { LC_ALL: 'C' },
  })
  await same('import sys\nprint(sys.argv, sys.dont_write_bytecode)', {
    env: { PYTHONDONTWRITEBYTECODE: '1' },
    args: ['x'],
  })
  await same('import time\nprint(time.tzname, time.localtime(0).tm_hour)', { env: { TZ: 'Etc/GMT-3' } })
})

test('packages are found beside the program, in PYTHONPATH and in the user’s own folder', async () => {
  const files = {
    'beside.py': 'print("beside", __name__)',
    'lib/inpath.py': 'print("in path")',
    '.local/lib/python3.11/site-packages/own.py': 'print("own")',
    '.local/lib/python3.11/site-packages/usercustomize.py': 'print("customised")',
    'json.py': 'print("shadows")',
  }
  await same('import beside, inpath, own, sys\nprint(sys.path)', {
    files,
    env: { PYTHONPATH: '/workspace/lib:relative' },
  })
  await same('import sys\nprint(sys.path)', {
    files: { 'home/.local/lib/python3.11/site-packages/a.py': '' },
    env: { HOME: '/workspace/home' },
  })
  await same('import worker, start, leave', {
    files: { 'worker.py': '', 'start.py': '', 'leave.py': 'print("mine")' },
  })
})

test('multiprocessing works by fork, spawn and forkserver', async () => {
  for (const method of ['fork', 'spawn', 'forkserver']) {
    const { stdout, end } = await same(`
import multiprocessing as mp, os
def square(n): return n * n
if __name__ == "__main__":
    mp.set_start_method("${method}")
    with mp.Pool(3) as pool: print(pool.map(square, range(10)))
    queue = mp.Queue(); p = mp.Process(target=queue.put, args=("from child",)); p.start(); print(queue.get()); p.join(); print(p.exitcode)`)
    assert.equal(stdout, '[0, 1, 4, 9, 16, 25, 36, 49, 64, 81]\nfrom child\n0\n')
    assert.equal(end, 0)
  }
})

test('ordinary libraries work after the fork', async () => {
  const { stdout } = await same(`
import asyncio, concurrent.futures, hashlib, os, sqlite3, ssl, subprocess, sys, tempfile, threading, zlib, ctypes, decimal, logging, unittest, dataclasses, inspect
def source(): return 1
print(inspect.getsource(source), open(__file__).read()[:8])
async def main(): return await asyncio.gather(*(asyncio.to_thread(lambda n=n: n) for n in range(5)), asyncio.sleep(0.01, "slept"))
print(asyncio.run(main()))
with concurrent.futures.ThreadPoolExecutor(8) as pool: print(sum(pool.map(len, ["abc"] * 1000)))
with concurrent.futures.ProcessPoolExecutor(2) as pool: print(list(pool.map(abs, [-1, -2])))
print(hashlib.pbkdf2_hmac("sha256", b"p", b"s", 1000).hex(), zlib.crc32(b"x"), len(ssl.create_default_context().get_ciphers()) > 0)
db = sqlite3.connect(":memory:"); print(db.execute("select 6*7").fetchone())
print(subprocess.run([sys.executable, "-c", "import sys; print(sys.argv, sys.path[0], sys.flags.isolated)"], capture_output=True, text=True).stdout)
if os.fork() == 0: print("forked"); sys.stdout.flush(); os._exit(0)
os.wait()
print(ctypes.CDLL(None).getpid() == os.getpid(), threading.main_thread().native_id == os.getpid(), threading.current_thread().name)
logging.warning("logged"); print(decimal.Decimal(1) / 3)
@dataclasses.dataclass
class Point: x: int = 1
print(Point(), type(tempfile.TemporaryFile()))`)
  assert.match(stdout, /forked\n[^]*\nTrue True MainThread/)
})
