# shellcheck shell=sh disable=SC2154
# Tells an armed host that the version stays, or to wait on. Changes no package. One that is going back by itself is waited for, and
# what it says of that is the answer.

# Seconds to wait for a revert that is at work, or for its next attempt.
PATIENCE_S=90

main() {
  begin confirm "$@"
  require verb order environment fence target_sha256 target_version target_exe target_exe_sha256
  [ "$verb" != renew ] || require revert_after_s
  need_tools
  wait_for_turn
  check_fence
  look
  case $armed_state:$armed_order in
    "armed:$order") if [ "$verb" = renew ]; then renew; else confirm; fi ;;
    "went-back:$order") say_armed ;;
    armed:* | reverting:*)
      ! is_anothers || nothing_armed
      is_anothers || refuse armed 76 "the order that this host is armed by is $armed_order of $armed_environment, not $order"
      ;;
    *) nothing_armed ;;
  esac
  finish 0
}

# The lock, and no revert of this order half-way: one that was killed or failed is made again by the timer.
wait_for_turn() {
  patience_s=$PATIENCE_S
  while :; do
    hold_lock "$patience_s"
    patience_s=$lock_patience
    read_armed || :
    [ "$armed_state:$armed_order" = "reverting:$order" ] || return 0
    [ "$patience_s" -gt 0 ] ||
      refuse armed 70 "this host is going back by itself and has not come to an end yet${armed_failure:+: attempt $armed_failures failed: $armed_failure}; ask again"
    drop_lock
    [ $((patience_s % 5)) -ne 0 ] || emit waiting true on revert 'secondsLeft#' "$patience_s"
    patience_s=$((patience_s - 1))
    sleep 1
  done
}

confirm() {
  stands
  end_armed confirmed || refuse confirm 74 "$ARMED cannot be written, so that nothing is confirmed and the host goes back in time: $(free_kib "$STATE") KiB free"
  emit confirm true order "$order" did confirmed
}

renew() {
  read_clock
  read_uptime
  # Who finds the host armed after a reboot, and that may be we.
  [ "$armed_boot" = "$boot_id" ] || set_guard || :
  armed_boot=$boot_id
  deadline
  insist_armed || refuse renew 74 "$ARMED cannot be written, so that the host does not wait on: $(free_kib "$STATE") KiB free"
  # Where systemd refuses, the timer fires as it was, finds that it is not due, and looks every minute.
  set_timer || :
  read_left
  emit renew true order "$order" 'msLeft#' "$left_ms"
}

# Nothing will happen by itself, which is what a confirmation is for; true of this version only where it is there.
nothing_armed() {
  in_place "$target_version" "$target_exe" "$target_exe_sha256" ||
    refuse armed 76 "nothing is armed here for order $order${armed_state:+ (last: $armed_state, order $armed_order)}, and $package ${package_version:-(none)} is installed, not $target_version"
  is_anothers || disarm_units
  emit confirm true order "$order" did nothing
}

# stands: the target is installed, and is what runs if anything does. The proof itself was made before.
stands() {
  in_place "$target_version" "$target_exe" "$target_exe_sha256" ||
    refuse confirm 79 "$package_state ${package_version:-nothing} is installed and $target_exe has sha256 ${sha:-unreadable}; expected $target_version with $target_exe_sha256; it stays armed"
  calm
  case $active in
    active)
      read_running
      [ "$running_sha" = "$target_exe_sha256" ] ||
        refuse confirm 79 "process $pid of $service runs an executable with sha256 ${running_sha:-unreadable}, expected $target_exe_sha256; it stays armed"
      ;;
    # Stopped by somebody; or held.
    inactive) ;;
    *) is_held || refuse confirm 78 "$service is ${active:-unknown}: $(unit_lines); it stays armed" ;;
  esac
}

main "$@"
