#!/bin/bash
# Installs the package in a clean root and uses what it installed; called by install.test.ts.
# Usage: install.sh PACKAGE CAPTURE ROOT   Prints one line for each thing that holds, and ends with 1 at the first that does not.
set -euo pipefail
package=$1 capture=$2 root=$3
prefix=hgpkg
# Not ip netns exec: it gives every call mounts of its own, and the wires' BPF mount must outlive one. Nothing of this
# machine's environment: its variables name files that are not there.
inside=(nsenter "--net=/run/netns/$prefix-unit" chroot "$root"
  /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive)
in_root() { "${inside[@]}" "$@"; }
holds() { echo "holds: $*"; }

stop() {
  [ -z "${unit:-}" ] || kill -KILL "$unit" 2>/dev/null || true
  for node in unit a b; do
    ip netns pids $prefix-$node 2>/dev/null | xargs -r kill -KILL 2>/dev/null || true
    ip netns del $prefix-$node 2>/dev/null || true
  done
  for place in run tmp sys/fs/bpf sys proc dev/null .; do umount -R "$root/$place" 2>/dev/null || umount -l "$root/$place" 2>/dev/null || true; done
}
trap stop EXIT
stop

if [ ! -e "$root/usr/bin/dpkg" ]; then
  debootstrap --variant=minbase --include=adduser,iproute2,libbpf1,zlib1g,libstdc++6 bookworm "$root" >/dev/null
fi
# mktemp's folders are closed to others, and this one is the root of all of them.
chmod 0755 "$root"
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t bpf bpf "$root/sys/fs/bpf" 2>/dev/null || true
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"

# Node as a package of its own: the distribution's may be older than what is needed.
node=$(readlink -f "$(command -v node)")
mkdir -p "$root/tmp/node/usr/bin" "$root/tmp/node/DEBIAN"
cp "$node" "$root/tmp/node/usr/bin/node"
printf 'Package: nodejs\nVersion: %s\nArchitecture: amd64\nMaintainer: a test\nDescription: Node of this machine\n' \
  "$(node -p process.versions.node)" >"$root/tmp/node/DEBIAN/control"
dpkg-deb -Znone --build "$root/tmp/node" "$root/tmp/node.deb" >/dev/null
cp "$package" "$root/tmp/headgate.deb"
cp "$capture" "$root/tmp/capture.pcap"

# The same with a higher version, to upgrade to.
dpkg-deb -R "$package" "$root/tmp/next"
sed -i 's/^Version: .*/&+next/' "$root/tmp/next/DEBIAN/control"
dpkg-deb --root-owner-group -Znone --build "$root/tmp/next" "$root/tmp/next.deb" >/dev/null

grep -q '"name": "better-sqlite3"' "$root/tmp/next/usr/share/doc/headgate/sbom.spdx.json"
holds "a bill of materials names what is in the package"
for unit_file in "$root"/tmp/next/lib/systemd/system/*.service; do
  # The program is not installed on this machine; everything else must be right.
  faults=$(systemd-analyze verify --man=no "$unit_file" 2>&1 | grep -v 'is not executable' || true)
  [ -z "$faults" ] || { echo "$faults"; exit 1; }
done
holds "systemd takes the units"

for node in unit a b; do ip netns add $prefix-$node; done
in_root dpkg -i /tmp/node.deb >/dev/null
in_root sh -c 'cd / && find etc lib usr var home opt srv -xdev | LC_ALL=C sort' >"$root/tmp/before"
in_root dpkg -i /tmp/headgate.deb >/dev/null
holds "dpkg takes the package with its dependencies"
[ -z "$(ip netns pids $prefix-unit)" ] && holds "installing starts nothing"
in_root headgate check | grep -q 'mode observe: measures and plans; announces nothing'
holds "headgate check takes the installed settings, which announce nothing"
in_root headgate check /usr/share/doc/headgate/examples/headgate.yaml >/dev/null
in_root headgate replay --json /tmp/capture.pcap | grep -q '"packets": [1-9]'
holds "headgate replay reads a capture"
in_root bash -c 'complete() { :; }; . /usr/share/bash-completion/completions/headgate'
holds "the completion loads"

# A wire between two hosts, from the installed files: attached by root, measured by the unit's own user.
for side in a b; do
  ip -n $prefix-$side link add eth0 type veth peer name "port-$side" netns $prefix-unit
  ip -n $prefix-$side addr add 198.51.100.$([ $side = a ] && echo 1 || echo 2)/24 dev eth0
  ip -n $prefix-$side link set eth0 up
  ip -n $prefix-unit link set "port-$side" up
done
ip -n $prefix-unit link set lo up
cat >"$root/etc/headgate/headgate.yaml" <<'SETTINGS'
asn: 64512
networks: [198.51.100.0/24]
management: { router_id: 10.0.0.9 }
wires: [{ name: core, place: link, inside: port-a, outside: port-b, driver: tc }]
links: [{ name: north, asn: 65001, capacity: 100M, attribute: { wire: core } }]
cycle: { interval: 500ms, average: 1s }
SETTINGS
in_root headgate wire install --config /etc/headgate/headgate.yaml >/dev/null
ip netns exec $prefix-a ping -q -c 3 -i 0.2 -w 20 198.51.100.2 >/dev/null
holds "the kernel forwards the wire before anything runs"
# What systemd does for headgate.service: folders, user, five capabilities, no new privileges.
in_root sh -c 'mkdir -p /run/headgate /var/lib/headgate && chown headgate:headgate /run/headgate /var/lib/headgate'
caps=+net_raw,+net_admin,+bpf,+net_bind_service,+ipc_lock
start() {
  rm -f "$root/tmp/status"
  "${inside[@]}" setpriv --reuid headgate --regid headgate --init-groups --no-new-privs \
    --bounding-set=-all,$caps --inh-caps=-all,$caps --ambient-caps=-all,$caps \
    headgate run --config /etc/headgate/headgate.yaml 2>"$root/tmp/log" &
  unit=$!
  for _ in $(seq 300); do
    in_root headgate status >"$root/tmp/status" 2>/dev/null && grep -q 'wires 1 of 1 forwarding' "$root/tmp/status" && break
    kill -0 $unit || { cat "$root/tmp/log"; exit 1; }
    sleep 0.2
  done
  grep -q '^all is well' "$root/tmp/status" || { cat "$root/tmp/status" "$root/tmp/log"; exit 1; }
}
end() {
  kill -TERM "$unit" && wait "$unit"
  unit=
}
start
holds "the unit runs as its own user with five capabilities, and all is well"
[ "$(ps -o user= -p "$(pgrep -f 'dist/src/cli/main.js run --config /etc/headgate/headgate.yaml' -n)")" != root ]
ip netns exec $prefix-a ping -q -c 5 -i 0.2 -w 20 198.51.100.2 >/dev/null
for _ in $(seq 300); do
  in_root headgate links --json | grep -Eq '"inbound_bytes": [1-9]' && break
  sleep 0.2
done
in_root headgate links --json | grep -Eq '"inbound_bytes": [1-9]'
holds "it counts what passes"
in_root headgate audit verify | grep -q '^whole: '
holds "its audit log is whole"

# Upgrade and rollback as the manual has them, while a host on the wire goes on; every answer must come.
ip netns exec $prefix-a ping -q -i 0.2 198.51.100.2 >"$root/tmp/ping" &
ping=$!
settings=$(md5sum <"$root/etc/headgate/headgate.yaml")
for step in next headgate; do
  in_root dpkg -i "/tmp/$step.deb" >/dev/null 2>&1
  end
  start
done
kill -INT $ping && wait $ping
grep -q ' 0% packet loss' "$root/tmp/ping" || { cat "$root/tmp/ping"; exit 1; }
holds "upgrade and rollback cost no packet, and all is well after each"
[ "$settings" = "$(md5sum <"$root/etc/headgate/headgate.yaml")" ]
in_root headgate audit verify | grep -q '^whole: '
[ "$(in_root headgate audit --json | grep -c '"what": "start"')" = 3 ]
in_root headgate history >/dev/null
[ -z "$(ls "$root"/var/lib/headgate | grep -v -e '^history\.db' -e '^audit\.log$')" ]
holds "settings, history and audit log are those of before"
end
ip netns exec $prefix-a ping -q -c 3 -i 0.2 -w 20 198.51.100.2 >/dev/null
holds "the wire forwards after it ended"
in_root headgate wire release --config /etc/headgate/headgate.yaml >/dev/null

in_root dpkg --purge headgate >/dev/null
in_root sh -c 'cd / && find etc lib usr var home opt srv -xdev | LC_ALL=C sort' >"$root/tmp/after"
left=$(comm -13 "$root/tmp/before" "$root/tmp/after" | grep -Ev '^var/(lib/dpkg|log|cache)|^etc/.*-$|^var/lib/headgate-' || true)
[ -z "$left" ] || { echo "left: $left"; exit 1; }
in_root sh -c '! getent passwd headgate && [ ! -e /run/headgate ]' >/dev/null
holds "purge leaves nothing"
