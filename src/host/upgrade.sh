# shellcheck shell=sh disable=SC2015,SC2154
# Installs the target over the previous package, restarts the service if it was running, and proves the running executable.
# On failure after the install it leaves things as they are: whoever ordered it orders the revert, or an armed host goes back by itself.

main() {
  begin upgrade "$@"
  require order environment fence prove_ms lock_timeout_s target_sha256 target_size target_version target_exe \
    target_exe_sha256 previous_sha256 previous_size previous_version previous_exe previous_exe_sha256
  need_tools
  hold_lock
  check_fence
  look
  refuse_drift
  remember
  if ! in_place "$target_version" "$target_exe" "$target_exe_sha256"; then
    make_room
    stage target "$target_sha256" "$target_size"
    stage previous "$previous_sha256" "$previous_size"
    need_installed_size
    arm
    at_end=disarm_untouched
    rm -f "$memory.database" # of a way back before
    install_package target "$target_sha256" "$target_version" "$target_exe" "$target_exe_sha256"
    at_end=
    # The new version may bring limits of its own. Those set before stay where this fails.
    [ -z "$revert_after_s" ] || set_guard || :
  elif [ -n "$revert_after_s" ]; then
    # Installed by an attempt whose answer was lost.
    stage previous "$previous_sha256" "$previous_size"
    arm
  fi
  settle "$target_exe_sha256"
  prove_agent "$target_version" "$target_exe" "$target_exe_sha256"
  prune
  if [ "$disarm" = after-proof ]; then
    # Where that cannot be written the host stays armed, and says so.
    end_armed confirmed || :
  fi
  if [ -n "$revert_after_s" ]; then say_armed; else supersede overtaken; fi
  finish 0
}

# disarm_untouched CODE: refused before anything was installed (dpkg's lock, no space): there is nothing to go back from, other than what
# an order before this one had armed.
disarm_untouched() {
  case $1 in 74 | 75) ;; *) return 0 ;; esac
  [ -n "$revert_after_s" ] && in_place "$previous_version" "$previous_exe" "$previous_exe_sha256" || return 0
  if [ -n "$armed_before" ] && durable "$ARMED/state" "$armed_before" && read_armed; then
    resume_armed
    return 0
  fi
  rm -f "$ARMED/state"
  sync "$ARMED" 2>/dev/null || :
  disarm_units
}

# Somebody else's hand: nothing is done over it.
refuse_drift() {
  why=
  if [ "$package_state" = absent ]; then
    why="$package is not installed"
  elif [ "$package_version" != "$previous_version" ] && [ "$package_version" != "$target_version" ]; then
    # What a killed dpkg left behind may have lost its version; this order did that.
    [ "$package_state" = broken ] && [ -s "$memory" ] || why="$package ${package_version:-of no version} is installed"
  elif [ "$want" = hold ] && [ "$package_version" != "$target_version" ]; then
    why="$package $package_version is on hold (apt-mark unhold $package)"
  elif [ "$active" = active ] && ! is_held; then
    # (A stop masks first and then stops.)
    case $unit_file in masked*) why="$service is masked but runs, so it cannot be restarted (unmask or stop it)" ;; esac
  fi
  [ -n "$why" ] || return 0
  drop_incoming
  refuse drift 76 "$why; expected $previous_version or $target_version, free to change"
}

main "$@"
