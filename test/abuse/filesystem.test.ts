/** Reading, writing and escaping through the file system. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { assertRefused, assertVerdicts, attack } from '../support/abuse.ts'
import { expectError } from '../support/client.ts'
import { eventually } from '../support/eventually.ts'
import { startServer } from '../support/server.ts'

const server = await startServer()
const { admin } = server
const hostFolder = mkdtempSync(join(tmpdir(), 'host-only-'))
const mark = `host-mark-${process.pid}`
writeFileSync(join(hostFolder, 'secret'), mark)
after(async () => {
  await server.stop()
  rmSync(hostFolder, { recursive: true })
})

test('host files are not there: not by path, not through the roots of other processes, not the server’s data', async () => {
  const verdicts = await attack(
    admin,
    `
for n, path in enumerate([${JSON.stringify(join(hostFolder, 'secret'))}, ${JSON.stringify(join(server.dataDir, 'admin.key'))}, ${JSON.stringify(server.dataDir)},
    "/proc/1/root${hostFolder}/secret", "/proc/self/root/../../..${hostFolder}/secret", "/root/.npmrc", "/root/.ssh/id_ed25519", "/var/lib/cloche"]):
    attempt(f"open{n}", lambda: os.open(path, os.O_RDONLY))
`,
  )
  assertRefused(verdicts, ['ENOENT', 'EACCES', 'EPERM'], 8)
})

test('the mount table and device numbers name nothing of the host', async () => {
  const result = await admin.execute({
    language: 'bash',
    code: 'cat /proc/self/mountinfo /proc/self/mounts /proc/self/mountstats; df -a; ls -la /',
  })
  for (const word of [server.dataDir, hostFolder, '/var/lib/cloche']) {
    assert.equal(result.stdout.includes(word), false, `${word} is visible:\n${result.stdout}`)
  }
})

test('another sandbox’s files are not reachable while it runs', async () => {
  const other = admin.execute({
    language: 'bash',
    code: `echo neighbour-${mark} | tee /workspace/n /tmp/n /dev/shm/n > /dev/null; sleep 3`,
  })
  const result = await admin.execute({
    language: 'bash',
    code: `sleep 0.5; grep -rs neighbour-${mark.slice(0, 9)} /workspace /tmp /dev/shm /var/tmp /run /opt /proc/*/root/tmp /proc/*/cwd 2>/dev/null | grep -v cmdline; echo END`,
  })
  assert.equal(result.stdout, 'END\n')
  await other
})

test('everything but the four writable places refuses to be changed', async () => {
  const verdicts = await attack(
    admin,
    `
for path in ("/", "/usr", "/usr/bin", "/etc", "/opt", "/opt/cloche", "/bin", "/lib", "/var", "/var/lib", "/root", "/home", "/dev", "/run", "/proc", "/sys"):
    attempt("create:" + path, lambda: os.open(path + "/evil", os.O_CREAT | os.O_WRONLY))
for path in ("/etc/passwd", "/etc/resolv.conf", "/etc/hosts", "/usr/bin/python3", "/opt/cloche/init", "/etc/ld.so.cache"):
    attempt("write:" + path, lambda: os.open(path, os.O_WRONLY))
    attempt("unlink:" + path, lambda: os.unlink(path))
    attempt("chmod:" + path, lambda: os.chmod(path, 0o777))
`,
  )
  assertRefused(verdicts, ['EACCES', 'EPERM', 'EROFS', 'ENOENT'], 34)
})

test('mounts of every kind are refused', async () => {
  const verdicts = await attack(
    admin,
    `
os.mkdir("m")
for fs in (b"tmpfs", b"proc", b"sysfs", b"overlay", b"devpts", b"cgroup2", b"cgroup", b"bpf", b"fuse", b"debugfs", b"mqueue"):
    syscall("mount:" + fs.decode(), 165, fs, b"m", fs, 0, 0)
syscall("bind", 165, b"/etc", b"m", 0, 4096, 0)
syscall("remount", 165, b"none", b"/", 0, 32, 0)
syscall("shared", 165, b"none", b"/", 0, 1 << 20, 0)
syscall("umount", 166, b"/proc", 2)
syscall("umount-root", 166, b"/", 2)
syscall("pivot_root", 155, b".", b"m")
syscall("chroot", 161, b"m")
syscall("fsopen", 430, b"tmpfs", 0)
syscall("open_tree", 428, -100, b"/", 1)
syscall("move_mount", 429, -1, b"", -100, b"m", 4)
syscall("fsmount", 432, 0, 0, 0)
syscall("fspick", 433, -100, b"/", 0)
syscall("mount_setattr", 442, -100, b"/", 0, 0, 0)
syscall("swapon", 167, b"m", 0)
syscall("quotactl", 179, 0, 0, 0, 0)
syscall("open_by_handle_at", 304, -100, b"\\0" * 32, 0)
syscall("name_to_handle_at", 303, -100, b"/", b"\\0" * 8, 0, 0)
`,
  )
  assertRefused(verdicts, ['EPERM', 'ENOSYS'], 28)
})

test('device nodes cannot be made, and /dev holds only the harmless ones', async () => {
  const verdicts = await attack(
    admin,
    `
import stat
for what, mode, device in (("null", stat.S_IFCHR, os.makedev(1, 3)), ("mem", stat.S_IFCHR, os.makedev(1, 1)), ("disk", stat.S_IFBLK, os.makedev(254, 0)),
    ("kvm", stat.S_IFCHR, os.makedev(10, 232)), ("tun", stat.S_IFCHR, os.makedev(10, 200)), ("whiteout", stat.S_IFCHR, os.makedev(0, 0))):
    attempt("mknod:" + what, lambda: os.mknod("node-" + what, mode | 0o666, device))
for path in ("/dev/kvm", "/dev/vsock", "/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/fuse", "/dev/net/tun", "/dev/loop-control", "/dev/userfaultfd", "/dev/port", "/dev/console"):
    attempt("open:" + path, lambda: os.open(path, os.O_RDWR))
`,
  )
  const whiteout = verdicts.get('mknod:whiteout')
  assert.ok(whiteout === 'EPERM' || whiteout?.startsWith('DONE'), `a 0:0 node is no device; got ${whiteout}`)
  const others = new Map([...verdicts].filter(([what]) => what !== 'mknod:whiteout'))
  assertRefused(others, ['EPERM', 'ENOENT', 'EACCES', 'ENXIO'], 15)
})

test('/proc and /sys cannot be written, and what tells about the host is masked', async () => {
  const verdicts = await attack(
    admin,
    `
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches", "/proc/sys/fs/file-max",
    "/proc/sys/user/max_user_namespaces", "/proc/sys/kernel/modprobe", "/proc/self/oom_score_adj_x", "/proc/1/oom_score_adj", "/proc/1/mem", "/proc/irq/default_smp_affinity",
    "/proc/sys/net/ipv4/ip_forward", "/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups", "/proc/1/uid_map",
    "/sys/kernel/uevent_helper", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory.max", "/sys/power/state", "/sys/kernel/mm/transparent_hugepage/enabled"):
    def act():
        fd = os.open(path, os.O_WRONLY)
        return os.write(fd, b"1")
    attempt("write:" + path, act)
for path in ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/kallsyms", "/proc/kmsg", "/proc/1/environ", "/proc/1/maps", "/proc/1/mem", "/proc/1/fd", "/proc/1/root", "/proc/1/cwd",
    "/proc/config.gz", "/proc/kpagecount", "/proc/kpageflags", "/proc/vmallocinfo", "/proc/slabinfo", "/sys/firmware/x", "/sys/kernel/debug/x"):
    def look():
        if os.path.isdir(path): return len(os.listdir(path))
        data = open(path, "rb").read(64)
        if data.strip(b"\\0 0") == b"": raise OSError(2, "empty")
        return data
    attempt("read:" + path, look)
`,
  )
  assertRefused(verdicts, ['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'EINVAL', 'EIO', 'ENXIO'], 38)
})

test('setuid binaries give nothing: neither the base’s own nor one made inside', async () => {
  const result = await admin.execute({
    language: 'bash',
    code: `cp /usr/bin/id ./own-id && chmod 6755 own-id && ./own-id -u
find / -xdev -perm /6000 -type f 2>/dev/null | head -20
for p in su mount umount passwd newgrp chsh; do command -v $p > /dev/null && (echo | timeout 2 $p -c id </dev/null 2>&1 | grep -c 'uid=0'); done
python3 -c 'import os
for f in (os.setuid, os.setgid, os.seteuid):
    try: f(0); print("became root")
    except OSError as e: print("errno", e.errno)
try: os.setgroups([0]); print("groups")
except OSError as e: print("errno", e.errno)'
grep -E 'NoNewPrivs|Cap(Inh|Prm|Eff|Amb)|Seccomp:' /proc/self/status`,
  })
  assert.match(result.stdout, /^1000\n/, result.stdout)
  assert.doesNotMatch(result.stdout, /became root|groups|^[1-9]$/m)
  assert.match(result.stdout, /CapPrm:\s+0{16}/)
  assert.match(result.stdout, /CapEff:\s+0{16}/)
  assert.match(result.stdout, /CapAmb:\s+0{16}/)
  assert.match(result.stdout, /NoNewPrivs:\s+1/)
  assert.match(result.stdout, /Seccomp:\s+2/)
})

test('file requests cannot leave the sandbox by "..", absolute paths or symbolic links', async () => {
  for (const path of [
    '../../../../etc/cloche-evil',
    '/etc/cloche-evil',
    '/../etc/cloche-evil',
    'a/../../../etc/cloche-evil',
    '/proc/1/root/tmp/evil',
    '/opt/cloche/init',
  ]) {
    const reply = await admin.call('POST', '/api/v1/execute', {
      body: { language: 'bash', code: 'true', files: { [path]: 'x' } },
    })
    assert.notEqual(reply.status, 500, reply.text)
    if (reply.status === 200)
      assert.notEqual(reply.json()['status'], 'succeeded', `${path} was written: ${reply.text}`)
    else expectError(reply, reply.status)
  }
  assert.throws(() => statSync('/etc/cloche-evil'), { code: 'ENOENT' })
})

test('outputs follow links only as the user inside would, and give nothing of the host', async () => {
  const result = await admin.execute({
    language: 'bash',
    code: `ln -s /etc/shadow shadow; ln -s ${server.dataDir}/admin.key key; ln -s /proc/1/environ environ; ln -s / root; mkfifo pipe; ln -s loop loop; ln -s /dev/zero zero; ln -s ${hostFolder} host`,
    outputs: [
      'shadow',
      'key',
      'environ',
      'pipe',
      'loop',
      'zero',
      'host/secret',
      'root/etc/shadow',
      `${hostFolder}/secret`,
    ],
    timeoutMs: 10_000,
  })
  for (const [path, output] of Object.entries(result.outputs ?? {})) {
    const bytes = Buffer.from(
      output.base64 ?? output.text ?? '',
      output.base64 === undefined ? 'utf8' : 'base64',
    )
    assert.equal(bytes.length, 0, `${path} gave ${bytes.length} bytes: ${bytes.subarray(0, 60)}`)
  }
  assert.equal(JSON.stringify(result).includes(mark), false)
})

test('an output that grows without end is cut off by the limit, not by the host’s memory', async () => {
  const reply = await admin.call('POST', '/api/v1/execute', {
    body: {
      language: 'bash',
      code: 'truncate -s 100G huge; ls -la huge',
      outputs: ['huge'],
      timeoutMs: 20_000,
    },
  })
  assert.ok(reply.status < 500, reply.text.slice(0, 300))
  assert.ok(reply.bytes.length < 200 * 1024 * 1024)
  const alive = await admin.execute({ language: 'bash', code: 'echo alive' })
  assert.equal(alive.stdout, 'alive\n')
})

test('files sent in cannot overwrite through a link that a former cached run has left', async () => {
  await admin.execute({ mode: 'cached', language: 'bash', code: 'ln -s /etc target; ln -s /proc/1 proc' })
  const result = await admin.execute({
    mode: 'cached',
    language: 'bash',
    code: 'ls -la target',
    files: { 'target/passwd-x': 'evil' },
  })
  assert.doesNotMatch(result.stdout, /->/)
})

test('disk image tricks: no loop devices, no FUSE, sparse and hard-linked files stay inside the quota', async () => {
  const verdicts = await attack(
    admin,
    `
open("f", "w").write("x")
attempt("link-etc", lambda: os.link("/etc/passwd", "hard"))
attempt("xattr-trusted", lambda: os.setxattr("f", "trusted.overlay.opaque", b"y"))
attempt("xattr-security", lambda: os.setxattr("f", "security.capability", b"\\x01\\0\\0\\x02" + b"\\xff" * 16))
attempt("xattr-overlay", lambda: os.setxattr("f", "user.overlay.opaque", b"y") or os.listdir("/etc").index("passwd"))
`,
  )
  assertVerdicts(verdicts, {
    'link-etc': ['EXDEV', 'EPERM', 'EACCES'],
    'xattr-trusted': ['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'EACCES'],
    'xattr-security': ['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'EACCES'],
  })
})

test('a host-side run folder is never visible, and stays private on the host', async () => {
  const pending = admin.execute({
    language: 'bash',
    code: 'sleep 1; find / -name "*.sock" -not -path "/proc/*" 2>/dev/null; cat /proc/net/unix',
  })
  const runFolder = join(server.dataDir, 'run')
  await eventually(() => readdirSync(runFolder).length > 0, { withinMs: 5000, what: 'the run folder in use' })
  assert.equal(statSync(runFolder).mode & 0o077, 0)
  const result = await pending
  assert.equal(result.stdout.includes('cloche'), false, result.stdout)
})
