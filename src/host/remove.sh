# shellcheck shell=sh disable=SC2034,SC2154
# Stops the agent, removes or purges its package, and proves that no process and, after a purge, no file remains. Removing the
# package leaves the daemon running, so that the stop comes first; and once more after it, for whoever has started it meanwhile.
#
# R1  What belongs to the package is written down before it is touched: dpkg forgets it, and a killed run is proven by the next.
# R2  No other package is removed: dpkg refuses where one depends on this one, and is asked before anything is stopped.
# R3  A purge path is removed only where it is certain whose it is: never through a symbolic link, never where something is
#     mounted, never what another package owns. What stays is told.
# R4  The lock of the lifecycle programs is held for the stop alone: an emergency waits for no dpkg.

# Folders with at least two names in their path, and nothing of the kernel's.
own_parameter() {
  case $1 in
    purge) check_word purge "$2" true false && purge=$2 ;;
    purge_path)
      check_path purge_path "$2"
      case $2 in
        *//* | */./* | */. | *[][*?\\]* | /proc/* | /sys/* | /dev/*) refuse usage 64 "a purge path must be plain, and none of the kernel's: $2" ;;
        /*/*) ;;
        *) refuse usage 64 "a purge path needs at least two names: $2" ;;
      esac
      purge_paths="$purge_paths$2
"
      ;;
    *) return 1 ;;
  esac
}

# By systemd or by the init script.
read_unit() {
  read_service
}

main() {
  purge='' purge_paths=''
  begin remove "$@"
  require order environment fence lock_timeout_s purge
  need_dpkg
  hold_lock
  check_fence
  look
  # dpkg takes the link away by which a process could be known.
  real=$(readlink -f "$R$executable" 2>/dev/null) && [ -f "$real" ] && executable=${real#"$R"}
  list_file=$STATE/removing-$package
  dpkg_verb=remove
  [ "$purge" = false ] || dpkg_verb=purge
  force=
  [ "$package_state" != broken ] || force=--force-remove-reinstreq
  is_gone || refuse_unremovable
  write_list
  count_before=$(count_listed)
  stop_all
  take_away
  stop_all
  left_json='' left_text='' left_count=0
  if [ "$purge" = true ]; then
    clear_paths
    clear_links
    note_left_files
    forget
  fi
  emit_files
  release_locks
  emit_status
  [ -z "$agents" ] || prove_gone
  [ "$left_count" -eq 0 ] || finish 82
  [ "$purge" = false ] || rm -f "$list_file"
  emit proof true service absent packageVersion '' 'held#' "$(held_word)"
  finish 0
}

# Whether dpkg has nothing left to do. What only left its configuration behind is gone for a removal, not for a purge.
is_gone() {
  read_package
  case $status in
    '' | not-installed) return 0 ;;
    config-files) [ "$purge" = false ] ;;
    *) return 1 ;;
  esac
}

# R2, and dpkg's lock: both before anything is stopped.
refuse_unremovable() {
  [ "$want" != hold ] || refuse drift 76 "$package $package_version is on hold (apt-mark unhold $package); not removed"
  # shellcheck disable=SC2086
  if ! dpkg --simulate $force "--$dpkg_verb" "$package" >"$LOG" 2>&1 && grep -q 'dependency problems' "$LOG"; then
    refuse remove 81 "$package is needed by other packages and was left alone, and so was the service: $(log_tail)"
  fi
  asked=$(date +%s)
  # Locks and changes nothing.
  while ! dpkg --set-selections >"$LOG" 2>&1 && is_locked_out; do
    next_try || refuse remove 75 "dpkg's lock was held by another for $lock_timeout_s s: $(log_tail)"
  done
}

is_locked_out() {
  grep -Eq 'Could not get lock|Unable to acquire the dpkg|locked by another process|Unable to lock' "$LOG"
}

# Waits a second, as long as there is time left for dpkg's lock.
next_try() {
  waited=$(($(date +%s) - asked))
  [ "$waited" -lt "$lock_timeout_s" ] || return 1
  [ $((waited % 5)) -ne 0 ] || emit waiting true on dpkg-lock 'secondsLeft#' $((lock_timeout_s - waited))
  sleep 1
}

# R1. A path that dpkg knows as a file is one although a folder lies there now. What is wholly installed tells all by itself;
# otherwise an earlier run may have known more.
write_list() {
  info=$R/var/lib/dpkg/info/$package
  owned=$({
    sed -n 's,^[0-9a-f]\{32\}  *,/,p' "$info.md5sums" "$info":*.md5sums
    cat "$info.conffiles" "$info":*.conffiles
    [ "$package_state" = installed ] || cat "$list_file"
    dpkg -L "$package" | while IFS= read -r path; do
      [ -d "$R$path" ] && [ ! -h "$R$path" ] || printf '%s\n' "$path"
    done
  } 2>/dev/null | sed -n '/^\//p' | sort -u)
  [ -z "$owned" ] || durable "$list_file" "$owned" || refuse remember 74 "cannot write $list_file: $(free_kib "$STATE") KiB free"
}

is_there() {
  [ -e "$1" ] || [ -h "$1" ]
}

count_listed() {
  count=0
  if [ -s "$list_file" ]; then
    while IFS= read -r path; do
      ! is_there "$R$path" || count=$((count + 1))
    done <"$list_file"
  fi
  echo "$count"
}

# Ends the program with 80 where a process stays (R4). The second time it is for whoever has started one since.
stop_all() {
  service_lock
  read_service || :
  agent_processes
  [ -n "${was_up:-}" ] || { [ -n "$agents" ] && was_up=yes; } || was_up=no
  if [ -n "$agents" ] || ! is_down; then
    stop_agent
    stay_down
  elif [ -z "${stopped_once:-}" ]; then
    emit stop true did nothing
  fi
  stopped_once=yes
  prove_gone
  release_service_lock
}

# dpkg's lock came between the look and the deed: nothing is removed, so that what ran runs again.
start_again() {
  restored=", and $service stays stopped"
  [ "$was_up" = yes ] && ! is_held || return 0
  service_lock
  start_agent
  release_service_lock
  restored=", and $service was started again"
}

take_away() {
  if is_gone; then
    emit remove true did nothing
    return
  fi
  gone_version=$package_version
  before="$package_state $package_version"
  asked=$(date +%s)
  while :; do
    # shellcheck disable=SC2086
    with_heartbeat remove install_quietly dpkg $force "--$dpkg_verb" "$package"
    [ "$code" -ne 0 ] || break
    refused_for 'locked by another process|Unable to lock|Unable to acquire the dpkg' ||
      refuse remove 81 "$service is stopped, and dpkg could not $dpkg_verb $package (exit $code): $(log_tail)"
    next_try && continue
    start_again
    # 75 would say that nothing was touched.
    refuse remove 81 "dpkg's lock was taken by another after the stop and held for $lock_timeout_s s; $package is not removed$restored: $(log_tail)"
  done
  is_gone || refuse remove 81 "dpkg ended without an error, but $package is ${status:-unknown}: $(log_tail)"
  if [ "$purge" = true ]; then did=purged; else did=removed; fi
  emit remove true did "$did" packageVersion "$gone_version"
}

# leave PATH WHY: it stays, and is told.
leave() {
  left_count=$((left_count + 1))
  [ "$left_count" -le 50 ] || return 0
  json_text "$1$2"
  left_json="$left_json${left_json:+,}$quoted"
  left_text="$left_text${left_text:+, }$1$2"
}

# another_owns PATH: whether a package besides this one has it, as dpkg tells it: `a, b:amd64: /path`. Its name into $owner.
another_owns() {
  owner=$(dpkg-query -S "$1" 2>/dev/null | ROLLOUT_PATH=$1 ROLLOUT_PACKAGE=$package awk '
    BEGIN { end = ": " ENVIRON["ROLLOUT_PATH"] }
    substr($0, length($0) - length(end) + 1) == end {
      count = split(substr($0, 1, length($0) - length(end)), names, ", ")
      for (at = 1; at <= count; at++) {
        sub(/:.*/, "", names[at])
        if (names[at] != ENVIRON["ROLLOUT_PACKAGE"]) { print names[at]; exit }
      }
    }')
  [ -n "$owner" ]
}

# R3
clear_paths() {
  while IFS= read -r path; do
    [ -n "$path" ] || continue
    is_there "$R$path" || continue
    parent=${path%/*}
    if [ -h "$R$path" ]; then
      leave "$path" " (a symbolic link to $(readlink "$R$path"); not followed)"
    elif [ "$(cd -P "$R$parent" 2>/dev/null && pwd)" != "$(cd -P "$R/" && pwd | sed 's,/$,,')$parent" ]; then
      leave "$path" ' (reached through a symbolic link; not removed)'
    elif has_mount "$path"; then
      leave "$path" " (something is mounted at $mounted; not removed)"
    elif another_owns "$path"; then
      leave "$path" " (belongs to package $owner too; not removed)"
    else
      find "$R$path" -xdev -depth -delete 2>/dev/null
      if is_there "$R$path"; then leave "$path" ' (could not be removed)'; fi
    fi
  done <<END
$purge_paths
END
}

# has_mount PATH: also of the same file system, which no number of a device would tell. Such paths have \040 for a blank.
has_mount() {
  table=$R/proc/self/mountinfo
  [ -r "$table" ] || return 1
  mounted=$(ROLLOUT_PATH=$1 awk '
    BEGIN { path = ENVIRON["ROLLOUT_PATH"] }
    {
      at = $5
      gsub(/\\040/, " ", at)
      gsub(/\\134/, "\\", at)
      if (at == path || index(at, path "/") == 1) { print at; exit }
    }' "$table")
  [ -n "$mounted" ]
}

# What `systemctl enable` or update-rc.d has made, and leads nowhere now.
clear_links() {
  for link in "$R"/etc/systemd/system/*.wants/"$service.service" "$R"/etc/systemd/system/*.requires/"$service.service" "$R"/etc/rc?.d/[SK][0-9][0-9]"$service"; do
    if is_there "$link" && [ ! -s "$link" ]; then rm -f "$link"; fi
  done
}

note_left_files() {
  [ -s "$list_file" ] || return 0
  while IFS= read -r path; do
    is_there "$R$path" || continue
    if another_owns "$path"; then continue; fi
    if [ -d "$R$path" ] && [ ! -h "$R$path" ]; then
      leave "$path" ' (a folder where the package had a file)'
    else
      leave "$path" ''
    fi
  done <"$list_file"
}

# What was kept on the host for the package: the hold with its brake, what orders remember, the packages. Not the fences.
forget() {
  told=
  if read_hold; then told=$held_told; fi
  release_brake
  lift_hold
  rm -f "$STARTED" "$PACKAGES"/*.deb "$PACKAGES"/.*.part "$STATE"/orders/* "$R"/run/rollout/*.pending "$LOG"
  # Its way back went with the packages. What is left of an arming takes itself away when its time has come.
  ! grep -qsx "parameter=package=$package" "$STATE/revert/state" || rm -f "$STATE/revert/state" "$R/run/systemd/system/$service.service.d/$GUARD"
  [ "$init" = sysvinit ] || ctl reset-failed "$service.service" >/dev/null 2>&1
  reload
  # Nobody has their commands here: a start would have brought those that take it back.
  while IFS= read -r name; do
    [ -z "$name" ] || emit controller false name "$name" did absent 'exitCode#' null \
      message 'it was told to leave the agent stopped, and the hold is gone with the package: tell it otherwise by hand'
  done <<END
$told
END
}

emit_files() {
  removed=$((count_before - $(count_listed)))
  [ "$removed" -ge 0 ] || removed=0
  if [ "$left_count" -eq 0 ]; then
    emit files true 'removed#' "$removed" 'left#' '[]'
  else
    emit files false 'removed#' "$removed" 'leftCount#' "$left_count" 'left#' "[$left_json]" \
      message "$left_count left after the purge: $(printf '%s' "$left_text" | head -c 600)"
  fi
}

main "$@"
