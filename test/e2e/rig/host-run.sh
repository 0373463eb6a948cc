#!/bin/bash
# Runs one host from power-on to power-off, outside of it: starts systemd-nspawn in the host's own cgroups, and starts it
# again when the host reboots (status 133).
# Usage: host-run.sh NAME      (host.sh boot starts it in a session of its own)
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=settings.sh
. "$here/settings.sh"
name=$1
folder=$HOSTS/$name

: > "$folder/cgroups"
for hierarchy in cpu cpuacct memory pids systemd unified; do
  group=$(cgroup_of "$hierarchy")
  [ -n "$group" ] || continue
  mkdir -p "$group/$name"
  # Real hosts have CPUs of their own: an agent that burns must be able to, whatever else this machine does.
  if [ "$hierarchy" = cpu ]; then echo 3072 > "$group/cpu.shares"; fi
  if [ -w "$group/cpu.weight" ]; then echo 300 > "$group/cpu.weight"; fi
  echo "$group/$name" >> "$folder/cgroups"
  [ "$hierarchy" = unified ] && echo "$group/$name" > "$folder/cgroup"
done

echo 0 > "$(host_cgroup "$name")/cgroup.freeze" # a host that was cut off while frozen

while :; do
  (
    while read -r group; do echo "$BASHPID" > "$group/cgroup.procs"; done < "$folder/cgroups"
    echo "$BASHPID" > "$folder/nspawn.pid"
    export SYSTEMD_NSPAWN_TMPFS_TMP=0 # Debian's /tmp is on the disk: it fills up with it and survives a power cut
    exec systemd-nspawn --quiet --directory="$folder/root" --machine="$RIG_PREFIX-$name" --hostname="$name" \
      --keep-unit --register=no --settings=no --resolv-conf=off --timezone=off --link-journal=no \
      --network-namespace-path="/run/netns/$RIG_PREFIX-$name" --capability=CAP_NET_ADMIN \
      --suppress-sync=yes --kill-signal=SIGRTMIN+3 --setenv=RIG_CGROUPS="$RIG_CGROUPS" /sbin/rig-init
  ) < /dev/null >> "$folder/console.log" 2>&1
  status=$?
  rm -f "$folder/nspawn.pid"
  echo "systemd-nspawn ended with $status" >> "$folder/console.log"
  [ "$status" = 133 ] || break
done
