#!/bin/bash
# Holds the rig for one run: cleans up what an earlier run left, makes the bridge, says `ready`, waits until its standard
# input ends, and takes everything down. Since input also ends when the run is killed, nothing is left behind then either.
# Touches nothing but what is recorded under /run/PREFIX.
# Usage: flock LOCK janitor.sh LOCK HOLDER      HOLDER: who it is for, told to a run that finds LOCK taken
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=settings.sh
. "$here/settings.sh"
echo "$2" > "$1"
trap '' INT TERM HUP # a Ctrl-C is for the run; the janitor follows when the run has ended

# Each host's systemd holds about six inotify instances; the kernel's default of 128 for root is spent at twenty hosts.
# Rigs may be up beside each other: the last one to go puts the limit back.
inotify=/run/rollout-rig-inotify
limit=/proc/sys/fs/inotify/max_user_instances

raise_inotify() (
  exec 8> "$inotify.lock"
  flock 8
  mkdir -p "$inotify"
  before=$(cat "$limit")
  if [ "$before" -lt 4096 ]; then
    echo "$before" > "$inotify.before"
    echo 4096 > "$limit"
  fi
  : > "$inotify/$RIG_PREFIX"
)

lower_inotify() (
  [ -e "$inotify/$RIG_PREFIX" ] || exit 0
  exec 8> "$inotify.lock"
  flock 8
  rm -f "$inotify/$RIG_PREFIX"
  rmdir "$inotify" 2> /dev/null && [ -e "$inotify.before" ] || exit 0
  cat "$inotify.before" > "$limit"
  rm -f "$inotify.before"
)

take_down() {
  local folder name pid group file
  for file in "$STATE"/*.pid; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    if is_ours "$pid" "$STATE"; then kill "$pid"; fi
    rm -f "$file"
  done
  for folder in "$HOSTS"/*/; do
    [ -d "$folder" ] || continue
    name=$(basename "$folder")
    # All at once first: the waiting below is then short.
    if host_is_up "$name"; then echo 1 > "$(host_cgroup "$name")/cgroup.kill"; fi
  done
  for folder in "$HOSTS"/*/; do
    [ -d "$folder" ] || continue
    name=$(basename "$folder")
    "$here/host.sh" crash "$name"
    "$here/host.sh" unlay "$name"
    if [ -e "/run/netns/$RIG_PREFIX-$name" ]; then ip netns del "$RIG_PREFIX-$name"; fi
    if [ -e "$folder/link" ]; then ip link del "$(cat "$folder/link")" 2> /dev/null; fi
    if [ -e "$folder/cgroups" ]; then
      while read -r group; do
        find "$group" -depth -type d -exec rmdir {} + 2> /dev/null
        rmdir "${group%/*}" 2> /dev/null # the rig's own, once its last host is out of it
      done < "$folder/cgroups"
    fi
    rmdir "/run/systemd/nspawn/propagate/$RIG_PREFIX-$name" 2> /dev/null
    if mountpoint -q "$folder/root" || mountpoint -q "$folder/disk"; then
      echo "rig: $folder is still mounted and stays" >&2
    else
      rm -rf "$folder"
    fi
  done
  if [ -e "$STATE/bridge" ]; then
    ip link del "$(cat "$STATE/bridge")" 2> /dev/null
    rm -f "$STATE/bridge"
  fi
  lower_inotify
  rmdir "$HOSTS" 2> /dev/null && rm -rf "$STATE"
}

take_down
mkdir -p "$HOSTS"
if ip -o -4 address show | grep -qF " $RIG_NET.1/"; then
  echo "refused: $RIG_NET.1 is an address of this machine already; choose another ROLLOUT_RIG_NET"
  exit 1
fi
if ip link show "$BRIDGE" > /dev/null 2>&1; then
  echo "refused: there is a link $BRIDGE that no rig of ours made; choose another ROLLOUT_RIG_PREFIX"
  exit 1
fi
echo "$BRIDGE" > "$STATE/bridge"
if ! { ip link add "$BRIDGE" type bridge && sysctl -qw "net.ipv6.conf.$BRIDGE.disable_ipv6=1" &&
  ip address add "$RIG_NET.1/24" dev "$BRIDGE" && ip link set "$BRIDGE" up; } 2> "$STATE/bridge.log"; then
  echo "refused: cannot make the bridge $BRIDGE: $(tr '\n' ' ' < "$STATE/bridge.log")"
  take_down
  exit 1
fi
raise_inotify
echo ready
cat > /dev/null
take_down
