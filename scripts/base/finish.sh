#!/bin/sh
# Makes a built root fit for sandboxes: Node and npm, the user, the folders that get mounted over, and modes.
#
# After it, the tree has no setuid or setgid file, no file capability, no device node, and no folder that everybody may
# write to but the four that are a sandbox's own writable places; two builds of the same packages give the same bytes.
#
# usage: finish.sh ROOT NODE_BINARY NPM_FOLDER
set -eu
umask 022
root=$1 node=$2 npm=$3

printf '  adding Node and npm\n'
mkdir -p "$root/usr/local/bin" "$root/usr/local/lib/node_modules"
cp "$node" "$root/usr/local/bin/node"
cp -R "$npm" "$root/usr/local/lib/node_modules/npm"
rm -rf "$root/usr/local/lib/node_modules/npm/docs" "$root/usr/local/lib/node_modules/npm/man"
ln -sf ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
ln -sf ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
chown -R 0:0 "$root/usr/local"
chmod -R go-w,a+rX "$root/usr/local"
chmod 755 "$root/usr/local/bin/node" "$root/usr/local/lib/node_modules/npm/bin/npm-cli.js" \
  "$root/usr/local/lib/node_modules/npm/bin/npx-cli.js"

printf '  users, folders, modes\n'
cd "$root"
add_line() { # file, key, line: exactly one line for the key
  touch "$1"
  sed -i "/^$2:/d" "$1"
  printf '%s\n' "$3" >>"$1"
}
add_line etc/passwd user 'user:x:1000:1000:user:/workspace:/bin/bash'
add_line etc/group user 'user:x:1000:'
add_line etc/shadow user 'user:!:1::::::'
# The day a password last changed would make every build differ.
sed -i 's/^\([^:]*:[^:]*\):[0-9]*:/\1:1:/' etc/shadow
chmod 600 etc/shadow
rm -f etc/gshadow etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/subuid etc/subgid etc/subuid- etc/subgid-

echo sandbox >etc/hostname
printf '127.0.0.1\tlocalhost sandbox\n::1\tlocalhost ip6-localhost\n' >etc/hosts
printf 'nameserver 127.0.0.53\noptions timeout:2 attempts:2\n' >etc/resolv.conf
: >etc/machine-id
rm -f var/lib/dbus/machine-id

# Nothing of the build stays behind: lists, caches, logs, documents (licences do stay).
rm -rf var/lib/apt/lists var/cache var/log var/lib/dpkg/*-old var/backups tmp var/tmp run dev sys proc home mnt srv media boot debootstrap
rm -rf usr/share/man usr/share/info usr/share/lintian usr/share/bug
if [ -d usr/share/locale ]; then find usr/share/locale -mindepth 1 -maxdepth 1 ! -name 'C.*' -exec rm -rf {} +; fi
if [ -d usr/share/doc ]; then
  find usr/share/doc -type f ! -name copyright -delete
  find usr/share/doc -type l -delete
  find usr/share/doc -depth -type d -empty -delete
fi
rm -f etc/ld.so.cache~ root/.bash_history
mkdir -p var/lib/apt/lists/partial var/cache/apt/archives/partial var/log tmp var/tmp run/lock dev/shm sys proc home mnt \
  workspace opt/cloche opt/env

# Where each runtime looks by itself, the packages of an environment are found; without one the links lead nowhere.
ln -sfn opt/env/node/node_modules node_modules
for library in usr/lib/python3.*; do
  packages=usr/local/lib/${library##*/}/dist-packages
  [ -d "$library" ] || continue
  mkdir -p "${packages%/*}"
  rm -rf "$packages"
  ln -s /opt/env/python "$packages"
done

# Where Python, and both kinds of Node's modules from any folder, look by themselves: the packages of an environment,
# which is mounted at /opt/env. In a sandbox without one the links lead nowhere, and nobody minds.
ln -sfn opt/env/node/node_modules node_modules
for library in usr/lib/python3.*; do
  packages=usr/local/lib/${library##*/}/dist-packages
  mkdir -p "${packages%/*}"
  rm -rf "$packages"
  ln -s /opt/env/python "$packages"
done

find . -xdev \( -type b -o -type c -o -type p -o -type s \) -delete
find . -xdev -type f -perm /6000 -exec chmod ug-s {} +
find . -xdev -type d -perm /6000 -exec chmod ug-s {} +
find . -xdev \( -type f -o -type d \) -perm /022 -exec chmod go-w {} +
if command -v getcap >/dev/null 2>&1; then
  getcap -r . 2>/dev/null | sed 's/ [^ ]*$//' | while read -r file; do setcap -r "$file"; done
fi
chmod 1777 tmp var/tmp dev/shm workspace
chmod 755 .
# One time for every file: what a program sees does not tell when the tree was built.
find . -xdev -exec touch -h -d @1700000000 {} +
