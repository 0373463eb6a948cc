#!/bin/bash
# One host's life, seen from outside.
# Usage: host.sh wire NAME NUMBER            network namespace with address RIG_NET.(10 + NUMBER), cable into the bridge
#        host.sh lay NAME NUMBER DISK_MIB KEY LOWER ROLE   empty writable layer of that size over LOWER (overlay syntax),
#                                            host key, /etc/rollout-rig/role
#        host.sh boot|crash NAME             power on (does not wait) / power cut (waits until nothing runs any more)
#        host.sh unlay NAME                  writable layer and all that is in it away; the host must be off
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=settings.sh
. "$here/settings.sh"
action=$1
name=$2
folder=$HOSTS/$name
mkdir -p "$folder"

case $action in
  wire)
    namespace=$RIG_PREFIX-$name
    link=$RIG_PREFIX-v$3
    echo "$link" > "$folder/link"
    ip netns add "$namespace"
    ip link add "$link" type veth peer name eth0 netns "$namespace"
    ip link set "$link" master "$BRIDGE" up
    # No default route, on purpose: a host reaches the bridge and the other hosts, nothing else.
    ip netns exec "$namespace" sh -c "
      sysctl -qw net.ipv6.conf.all.disable_ipv6=1
      ip link set lo up
      ip address add $RIG_NET.$((10 + $3))/24 dev eth0
      ip link set eth0 up"
    ;;
  lay)
    number=$3 size=$4 key=$5 lower=$6 role=$7
    mkdir -p "$folder/disk" "$folder/root"
    # The host's whole disk is this tmpfs: it has a size, fills up like a disk, and is thrown away in one move.
    mount -t tmpfs -o "size=${size}m,mode=755" "$RIG_PREFIX-$name" "$folder/disk"
    mkdir "$folder/disk/upper" "$folder/disk/work"
    mount -t overlay "$RIG_PREFIX-$name" -o "lowerdir=$lower,upperdir=$folder/disk/upper,workdir=$folder/disk/work" "$folder/root"
    echo "$name" > "$folder/root/etc/hostname"
    # The bridge stands for the cloud's metadata server; whether one listens there is the test's affair.
    printf '127.0.0.1 localhost\n%s %s\n%s metadata.google.internal\n' "$RIG_NET.$((10 + number))" "$name" "$RIG_NET.1" \
      > "$folder/root/etc/hosts"
    install -m 600 "$key" "$folder/root/etc/ssh/ssh_host_ed25519_key"
    install -m 644 "$key.pub" "$folder/root/etc/ssh/ssh_host_ed25519_key.pub"
    # For the stand-in agent (agent.c); not for the program under test, which knows roles from its inventory.
    mkdir -p "$folder/root/etc/rollout-rig"
    echo "$role" > "$folder/root/etc/rollout-rig/role"
    ;;
  boot)
    setsid "$here/host-run.sh" "$name" < /dev/null > /dev/null 2>&1 &
    echo $! > "$folder/supervisor.pid"
    ;;
  crash)
    supervisor=$(cat "$folder/supervisor.pid" 2>/dev/null || true)
    for ((turn = 0; turn < 200; turn++)); do
      if host_is_up "$name"; then echo 1 > "$(host_cgroup "$name")/cgroup.kill"; fi
      # Only when the supervisor is gone too can no new systemd-nspawn appear.
      if ! host_is_up "$name" && ! is_ours "$supervisor" host-run.sh; then break; fi
      sleep 0.05
    done
    if host_is_up "$name"; then
      echo "host $name: still has processes 10 s after they were killed" >&2
      exit 1
    fi
    rm -f "$folder/nspawn.pid" "$folder/supervisor.pid"
    # A killed systemd-nspawn leaves its lock on the folder behind.
    rm -f "/run/systemd/nspawn/locks/$(stat -c 'inode-%d:%i' "$folder/root" 2>/dev/null)"
    ;;
  unlay)
    for mounted in root disk; do
      if mountpoint -q "$folder/$mounted"; then umount "$folder/$mounted" || umount --lazy "$folder/$mounted"; fi
    done
    ;;
  *)
    echo "host.sh: no such action: $action" >&2
    exit 2
    ;;
esac
