#!/bin/sh
# Copies just enough of this machine into a root for sandboxes: shell, core tools and Python, with the libraries they need.
#
# The fallback for machines where no Debian tree can be built. What programs find is then this machine's selection and
# versions, which is why its manifest says so and `cloche doctor` reports it as degraded.
#
# usage: host-subset.sh ROOT
set -eu
umask 022
root=$1

tools='sh bash dash env ls cat cp mv rm mkdir rmdir ln chmod chown touch head tail sort uniq wc cut tr tee date sleep
 true false test [ expr seq printf echo pwd id whoami uname basename dirname readlink realpath mktemp stat du df sha256sum
 md5sum base64 od paste join comm nproc timeout nohup yes xargs find grep egrep sed awk mawk gawk diff cmp tar gzip gunzip xz
 bzip2 ps kill pkill pgrep free top uptime stty tty getent hostname curl openssl which ldd python3 dd install split tac
 fold fmt nl numfmt shuf sync truncate unlink mkfifo'

python=$(PATH=/usr/local/bin:/usr/bin:/bin command -v python3) || {
  echo 'this machine has no python3: install it, or build a Debian tree' >&2
  exit 1
}

copy() { # one path with its links resolved step by step, kept under the same name
  path=$1
  [ -e "$root$path" ] && return 0
  mkdir -p "$root$(dirname "$path")"
  if [ -L "$path" ]; then
    cp -P "$path" "$root$path"
    target=$(readlink "$path")
    case $target in /*) ;; *) target=$(realpath -s "$(dirname "$path")/$target") ;; esac
    ( copy "$target" )
  else
    cp -p "$path" "$root$path"
  fi
}

copy_with_libraries() {
  copy "$1"
  ldd "$1" 2>/dev/null | awk '/=> \//{ print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do ( copy "$library" ); done
}

# The folders that distributions with a merged /usr keep as links must be links here too, before a file lands in them.
for folder in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$folder" ]; then mkdir -p "$root/usr/$folder" && ln -s "usr/$folder" "$root/$folder"; fi
done
mkdir -p "$root/usr/bin" "$root/etc/ssl" "$root/tmp"

printf '  copying tools and libraries of this machine\n'
for tool in $tools; do
  found=$(PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin command -v "$tool" 2>/dev/null) || continue
  case $found in /*) copy_with_libraries "$found" ;; esac
done

printf '  copying Python\n'
stdlib=$("$python" -I -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
mkdir -p "$root$stdlib"
(cd "$stdlib" && tar -c --exclude=./test --exclude=./config-\* --exclude=__pycache__ --exclude=./site-packages .) | tar -x -C "$root$stdlib"
find "$stdlib/lib-dynload" -name '*.so' 2>/dev/null | while read -r module; do copy_with_libraries "$module"; done
if [ -d /usr/lib/python3/dist-packages/pip ]; then
  mkdir -p "$root/usr/lib/python3/dist-packages"
  for part in pip setuptools pkg_resources wheel; do
    [ -d "/usr/lib/python3/dist-packages/$part" ] && cp -R "/usr/lib/python3/dist-packages/$part" "$root/usr/lib/python3/dist-packages/"
  done
  copy /usr/bin/pip3
fi
rm -f "$root$stdlib/EXTERNALLY-MANAGED"
if [ "$python" != /usr/bin/python3 ]; then ln -sf "$python" "$root/usr/bin/python3"; fi
mkdir -p "$root/usr/local/bin"
ln -sf ../../bin/python3 "$root/usr/local/bin/python"

printf '  copying certificates, time zones and names\n'
for folder in /etc/ssl/certs /usr/share/ca-certificates /usr/share/zoneinfo /usr/lib/locale/C.utf8 /usr/lib/terminfo \
  /usr/share/terminfo /lib/terminfo; do
  if [ -d "$folder" ]; then mkdir -p "$root$(dirname "$folder")" && cp -R "$folder" "$root$(dirname "$folder")/"; fi
done
for file in /etc/services /etc/protocols /etc/nsswitch.conf /etc/mime.types /etc/os-release /etc/debian_version /etc/localtime; do
  if [ -e "$file" ]; then cp -L "$file" "$root$file"; fi
done
for library in /lib/*-linux-gnu/libnss_files.so.2 /lib/*-linux-gnu/libnss_dns.so.2 /lib64/libnss_files.so.2 /lib64/libnss_dns.so.2; do
  if [ -e "$library" ]; then copy_with_libraries "$library"; fi
done
# Node's own needs, though its binary comes later.
for library in libstdc++.so.6 libgcc_s.so.1 libatomic.so.1 libdl.so.2 libpthread.so.0 librt.so.1 libm.so.6; do
  found=$(ldconfig -p 2>/dev/null | awk -v want="$library" '$1 == want { print $NF; exit }')
  if [ -n "$found" ]; then copy_with_libraries "$found"; fi
done

printf 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
printf 'root:*:1:0:99999:7:::\n' >"$root/etc/shadow"
mkdir -p "$root/root" "$root/var/lib" && chmod 700 "$root/root"
if [ -f /etc/ld.so.conf ]; then cp -L /etc/ld.so.conf "$root/etc/" && cp -RL /etc/ld.so.conf.d "$root/etc/" 2>/dev/null || true; fi
ldconfig -r "$root" 2>/dev/null || true
env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin chroot "$root" "$python" -I -c 'import ssl, sqlite3, json, asyncio, ctypes, hashlib, zlib' || {
  echo 'the copied Python does not work on its own' >&2
  exit 1
}
: >"$(dirname "$root")/packages"
