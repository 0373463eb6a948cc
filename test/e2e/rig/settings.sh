# shellcheck shell=bash
# Names and places of one rig, shared by its scripts; sourced. TypeScript hands them over by environment (settings.ts).
#   RIG_PREFIX   begins every name on this machine: network namespaces, links, cgroups, the state's folder. Most 9 characters.
#   RIG_NET      the first three numbers of the hosts' /24; .1 is the bridge, that is this machine
#   RIG_CGROUPS  acct or quota, see build-base.sh
: "${RIG_PREFIX:?}" "${RIG_NET:?}"
RIG_CGROUPS=${RIG_CGROUPS:-acct}
STATE=/run/$RIG_PREFIX # under /run, so that it is gone together with what it describes when the machine restarts
HOSTS=$STATE/hosts
# shellcheck disable=SC2034 # janitor.sh and host.sh use it
BRIDGE=${RIG_PREFIX}0

# The folder of cgroup hierarchy $1 in which this rig's hosts belong: below where the caller is, so that whatever accounts
# for the caller accounts for the hosts too. Empty where this machine has no such hierarchy.
cgroup_of() {
  local path
  if [ "$1" = unified ]; then
    path=$(sed -n 's/^0:://p' /proc/self/cgroup)
    if [ -d /sys/fs/cgroup/unified ]; then
      echo "/sys/fs/cgroup/unified${path%/}/$RIG_PREFIX"
    elif [ -e /sys/fs/cgroup/cgroup.controllers ]; then
      echo "/sys/fs/cgroup${path%/}/$RIG_PREFIX"
    fi
  elif [ -d "/sys/fs/cgroup/$1" ]; then
    path=$(awk -F: -v name="$1" '$2 == name || $2 == "name=" name { print $3 }' /proc/self/cgroup)
    echo "/sys/fs/cgroup/$1${path%/}/$RIG_PREFIX"
  fi
}

# Where host $1's processes are frozen and killed: exactly its own, whatever has become of its parents.
host_cgroup() { cat "$HOSTS/$1/cgroup" 2>/dev/null; }

host_is_up() {
  local group
  group=$(host_cgroup "$1") && grep -q '^populated 1' "$group/cgroup.events" 2>/dev/null
}

# Is process $1 there (a zombie is not), and is it the one that was started with $2 in its command line?
is_ours() {
  [ -n "$1" ] && grep -q '^State:.[^Z]' "/proc/$1/status" 2>/dev/null &&
    tr '\0' ' ' < "/proc/$1/cmdline" 2>/dev/null | grep -qF -- "$2"
}
