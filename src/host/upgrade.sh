# shellcheck shell=sh
# Installs the target over the previous package, restarts the service if it was running, and proves the running executable.
# On failure after the install it leaves things as they are: whoever ordered it orders the revert.

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
    install_package target "$target_sha256" "$target_version" "$target_exe" "$target_exe_sha256"
  fi
  settle "$target_exe_sha256"
  prove_agent "$target_version" "$target_exe" "$target_exe_sha256"
  prune
  finish 0
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
