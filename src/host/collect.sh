# shellcheck shell=sh disable=SC2034
# For an incident report: the unit's state, its last log lines, and what rollout left on the host. Changes nothing, waits for nobody,
# needs no dpkg.

# own_parameter KEY VALUE: see lib.sh.
own_parameter() {
  case $1 in
    since_s) check "$1" "$2" '[!0-9]' && since_s=$2 ;;
    lines) check "$1" "$2" '[!0-9]' && lines=$2 ;;
    *) return 1 ;;
  esac
}

main() {
  since_s=0 lines=200
  begin collect "$@"
  tell_lines unit systemctl show "$service.service" -p "$UNIT_PROPERTIES"
  # The embedded fleet has no journal of its own, and this machine's is none of its business.
  [ -n "$R" ] || tell_lines log journalctl -q -u "$service.service" --since "@$since_s" -n "$lines" --no-pager -o short-iso
  tell_lines kept ls -l "$STATE" "$PACKAGES"
  for file in "$HOLD" "$HOLD_IN_MEMORY" "$STATE"/revert/note "$STATE"/revert/state; do
    [ ! -f "$file" ] || tell_lines "note:${file#"$R"}" head -c 4000 "$file"
  done
  tell_lines load cat "$R/proc/loadavg" "$R/proc/uptime"
  finish 0
}

# What tells why a service is down, slow or restarted.
UNIT_PROPERTIES=ActiveState,SubState,Result,UnitFileState,MainPID,NRestarts,ExecMainStatus,ExecMainCode,ExecMainStartTimestamp,ExecMainExitTimestamp,CPUUsageNSec,CPUQuotaPerSecUSec,MemoryCurrent,MemoryMax,DropInPaths,FragmentPath

# tell_lines PART COMMAND...: what the command prints, a step a line, at most `lines` of them; bounded in time where timeout is there.
tell_lines() {
  part=$1
  shift
  limit=
  ! command -v timeout >/dev/null 2>&1 || limit='timeout -k 2 10'
  # shellcheck disable=SC2086
  $limit "$@" 2>&1 | tail -n "$lines" | cut -c 1-500 | while IFS= read -r said; do
    json_text "$said"
    printf '{"step":"line","ok":true,"part":"%s","text":%s}\n' "$part" "$quoted" 2>/dev/null || break
  done
}

main "$@"
