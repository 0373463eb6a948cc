# shellcheck shell=sh disable=SC2154
# Puts the previous package back, whatever the upgrade left behind, makes the service what it was before the order, and
# proves the running executable. Ordered; or, with the one word `fired`, by the host's own timer: then the text, its parameters and the
# reason are those that the upgrade left (lib-arm.sh).

main() {
  fired=
  if [ "${1:-}" = fired ]; then
    shift
    fired=yes
    is_due
    while IFS='=' read -r key value; do
      [ "$key" != parameter ] || set -- "$@" "$value"
    done <"$ARMED/state"
    # It has come to an end this very moment, and an end keeps none.
    [ $# -gt 0 ] || exit 0
  fi
  begin revert "$@"
  require order environment fence prove_ms lock_timeout_s target_sha256 target_size target_version target_exe \
    target_exe_sha256 previous_sha256 previous_size previous_version previous_exe previous_exe_sha256
  if [ -n "$fired" ]; then
    take_turn
    need_tools
  else
    need_tools
    hold_lock
    check_fence
  fi
  look
  refuse_drift
  remember
  recall_database
  if ! in_place "$previous_version" "$previous_exe" "$previous_exe_sha256"; then
    rm -f "$PACKAGES"/.*.part
    # The way back may need the room that the version to leave takes.
    [ "$(free_kib "$PACKAGES")" -ge $((MARGIN_KIB + previous_size / 200)) ] || rm -f "$PACKAGES/$target_sha256.deb"
    stage previous "$previous_sha256" "$previous_size"
    ! lift_guard || systemctl daemon-reload >&2
    install_package previous "$previous_sha256" "$previous_version" "$previous_exe" "$previous_exe_sha256"
  fi
  settle "$previous_exe_sha256"
  prove_agent "$previous_version" "$previous_exe" "$previous_exe_sha256"
  prune
  # An order has done what the timer would do.
  if [ -n "$fired" ]; then went_back; else supersede reverted; fi
  finish 0
}

# A third version, or none, wholly installed is somebody's later decision; a broken state is ours to mend.
refuse_drift() {
  case $package_state:$package_version in
    broken:* | "installed:$previous_version" | "installed:$target_version") return 0 ;;
  esac
  why="$package ${package_version:-(none)} is installed; expected $previous_version or $target_version: somebody has changed it since"
  if [ -n "$fired" ]; then
    armed_note=$(plain "did not go back: $why")
    write_note "$armed_note"
    at_end=
    if end_armed overtaken; then
      emit drift false message "$why"
      # No failure: the unit is gone, and a failed one would be all that is left of it, for ever.
      finish 0
    fi
    note_failure 74
  fi
  drop_incoming
  refuse drift 76 "$why"
}

# is_due: of the timer's runs most have nothing to do, and end here without the lock: an order that comes at that moment is not told
# that the host is busy.
is_due() {
  read_boot
  read_uptime
  read_armed || :
  case $armed_state in
    armed)
      [ "$armed_boot" = "$boot_id" ] || return 0
      read_left
      [ "$left_ms" -eq 0 ] || exit 0
      ;;
    reverting)
      [ "$armed_boot" = "$boot_id" ] || return 0
      [ "$up_ms" -ge "$armed_not_before" ] || exit 0
      ;;
    *)
      # Killed between the end and taking the timer away; or nothing was ever armed.
      hold_lock 55
      read_armed || :
      case $armed_state in armed | reverting) ;; *) disarm_units ;; esac
      finish 0
      ;;
  esac
}

# take_turn: under the lock the state is looked at again (A1): who confirmed, renewed or superseded meanwhile has said so there.
take_turn() {
  hold_lock 55
  read_armed || :
  case $armed_state:$armed_order in "armed:$order" | "reverting:$order") ;; *) finish 0 ;; esac
  read_uptime
  if [ "$armed_boot" != "$boot_id" ]; then
    read_left
    armed_boot=$boot_id armed_left_ms=$left_ms armed_until_up=$((up_ms + left_ms)) armed_not_before=0
    insist_armed || :
    [ "$armed_state" != armed ] || set_guard || :
  fi
  if [ "$armed_state" = armed ]; then
    read_left
    [ "$left_ms" -eq 0 ] || finish 0
  fi
  at_end=note_failure
  armed_state=reverting
  # On a disk that takes not even that, going back matters more: it is looked at again under the lock by whoever comes.
  insist_armed || emit reverting false message "$ARMED cannot be written: $(free_kib "$STATE") KiB free"
}

# A6.
note_failure() {
  [ "$1" -ne 0 ] || return 0
  armed_failures=$((armed_failures + 1))
  armed_failure=$(plain "${refused:-exit status $1}")
  read_uptime
  armed_not_before=$up_ms
  [ "$armed_failures" -le 5 ] || armed_not_before=$((up_ms + 285000))
  write_armed 2>/dev/null || :
  read_clock
  write_note "$(at "$clock_ms"): attempt $armed_failures to go back from $target_version to $previous_version failed, and is made again: $armed_failure. To have that end, and the host left as it is: systemctl disable --now $TIMER"
}

went_back() {
  read_clock
  armed_version=$previous_version armed_sha256=$previous_exe_sha256 armed_service=$proven
  told="went back by itself from $package $target_version to $previous_version at $(at "$clock_ms"): armed by $armed_by at $(at "$armed_at") (order $order of $environment), and nobody confirmed it or told it to wait on within $armed_length_s s"
  case $proven in
    running) told="$told; $previous_version is proven to run again" ;;
    *) told="$told; $previous_version is installed again, $service was stopped before and is left so" ;;
  esac
  [ "$armed_failures" -eq 0 ] || told="$told; attempts that failed before: $armed_failures, the last with: $armed_failure"
  [ -z "$moved_to" ] || told="$told; $database_note"
  armed_note=$(printf '%s' "$told" | tr '\000-\037\177' ' ' | cut -c 1-950)
  write_note "$armed_note"
  # The order is as if it had never been: what it finds the next time is what counts then (H3). Before the end, after which nobody comes
  # back to do it.
  rm -f "$memory" "$memory.database"
  end_armed went-back || refuse note 74 "$ARMED cannot be written: $(free_kib "$STATE") KiB free"
  at_end=
  emit went-back true order "$order" note "$armed_note"
}

main "$@"
