#!/bin/sh
# Builds a Debian root for sandboxes: debootstrap for the smallest system, then apt inside it for what programs expect.
#
# It runs as PID 1 of mount and pid namespaces of its own (base-tree makes them), so that whatever it mounts or starts
# is gone when it ends, however it ends. It guarantees nothing about the tree's final modes or users: finish.sh does that.
#
# usage: debian.sh ROOT CACHE SUITE
set -eu
umask 022
root=$1 cache=$2 suite=$3

packages='python3 python3-pip python3-venv ca-certificates curl procps netbase xz-utils media-types'

say() { printf '  %s\n' "$*"; }

# The machine's own apt knows which mirror answers here; debootstrap's built-in one is for machines that have none.
machine_uris() { # pattern for the suite's name
  command -v apt-get >/dev/null 2>&1 || return 0
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' 2>/dev/null |
    awk -v want="$1" '$2 == want && $3 == "main" { print $1; exit }'
}

keyring() {
  for file in "${CLOCHE_BASE_KEYRING:-}" /usr/share/keyrings/debian-archive-keyring.gpg; do
    if [ -n "$file" ] && [ -r "$file" ]; then echo "$file"; return; fi
  done
  echo "no keyring to check Debian's signatures with: install the package debian-archive-keyring" >&2
  return 1
}

quiet() { # run a command, its output kept aside and shown only if it fails
  "$@" >"$log" 2>&1 </dev/null || { tail -n 25 "$log" >&2; return 1; }
}

in_root() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"; }

log=$(dirname "$root")/build.log
mirror=${CLOCHE_BASE_MIRROR:-$(machine_uris "$suite")}
keyring=$(keyring)
mkdir -p "$cache/archives/partial" "$root"

say "fetching the smallest $suite system"
# shellcheck disable=SC2086 # an empty mirror must vanish: debootstrap then uses its own
quiet debootstrap --foreign --variant=minbase --merged-usr --keyring="$keyring" --cache-dir="$cache/archives" \
  --include=ca-certificates "$suite" "$root" $mirror

# No fsync per file (the tree is published only when complete), and no documents or translations.
mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
cat >"$root/etc/dpkg/dpkg.cfg.d/cloche" <<'EOF'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/lintian/*
path-exclude=/usr/share/bug/*
EOF
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"

say 'unpacking it'
quiet in_root /debootstrap/debootstrap --second-stage
# It mounts and unmounts a /proc for itself; what follows needs one too.
mkdir -p "$root/proc"
mount -t proc proc "$root/proc"

say 'adding Python and the tools programs expect, with security updates'
cp /etc/resolv.conf "$root/etc/resolv.conf"
used=$(awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /:\/\//) { print $i; exit } }' "$root/etc/apt/sources.list")
security=${CLOCHE_BASE_SECURITY_MIRROR:-$(machine_uris "$suite-security")}
: "${security:=${used%/}-security}"
{
  echo "deb $used $suite main"
  echo "deb $used $suite-updates main"
  echo "deb $security $suite-security main"
} >"$root/etc/apt/sources.list"
mkdir -p "$root/var/cache/apt/archives"
mount --bind "$cache/archives" "$root/var/cache/apt/archives"
# Proxy and certificate settings of the machine reach apt inside through one throw-away file.
if command -v apt-config >/dev/null 2>&1; then
  apt-config dump | grep '^Acquire::https\{0,1\}::' >"$root/etc/apt/apt.conf.d/99machine" || true
fi
apt="apt-get -q -y -o APT::Keep-Downloaded-Packages=true -o Dpkg::Use-Pty=0 -o APT::Sandbox::User=root"
# shellcheck disable=SC2086 # words, on purpose
{
  if ! quiet in_root $apt update; then
    say 'one of the updates suites does not answer: going on with the release as it was published'
    echo "deb $used $suite main" >"$root/etc/apt/sources.list"
    quiet in_root $apt update
  fi
  quiet in_root $apt upgrade
  quiet in_root $apt install --no-install-recommends $packages
}
umount "$root/var/cache/apt/archives"
rm -f "$root/etc/apt/apt.conf.d/99machine" "$root/usr/sbin/policy-rc.d" "$root/etc/dpkg/dpkg.cfg.d/cloche"

# A sandbox is nobody's managed system: pip may install into the user's home without being told it breaks something.
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
ln -sf ../../bin/python3 "$root/usr/local/bin/python"

say 'compiling Python modules'
# Unchecked: the tree never changes, so no import needs to look at its source's time.
quiet in_root python3 -m compileall -q -f -j "$(nproc)" --invalidation-mode unchecked-hash /usr/lib/python3 \
  "$(in_root python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" || say 'some modules are not for this Python: kept as source'
umount "$root/proc"
in_root dpkg-query -W -f '${Package} ${Version}\n' >"$(dirname "$root")/packages"
