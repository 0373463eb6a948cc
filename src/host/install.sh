# shellcheck shell=sh disable=SC2034,SC2154
# Installs the target on a host that lacks the package, enables and starts the service unless a hold keeps it stopped, and proves
# the running executable. On failure after the install it leaves things as they are.
#
# I1  Nothing is installed over what somebody else has installed, or has broken. What this very order has broken it mends.
# I2  A hold stands: the package comes, also for the next boot after the hold, and the service stays stopped behind its brake.
# I3  The lock of the lifecycle programs is held for the start alone: an emergency waits for no dpkg.

# By systemd or by the init script.
read_unit() {
  read_service
}

main() {
  begin install "$@"
  require order environment fence prove_ms lock_timeout_s target_sha256 target_size target_version target_exe target_exe_sha256
  need_dpkg
  hold_lock
  check_fence
  look
  refuse_drift
  write_down
  if ! in_place "$target_version" "$target_exe" "$target_exe_sha256"; then
    make_room
    stage target "$target_sha256" "$target_size"
    need_installed_size
    install_package target "$target_sha256" "$target_version" "$target_exe" "$target_exe_sha256"
  fi
  # What an earlier removal was to prove the absence of.
  rm -f "$STATE/removing-$package"
  prune
  bring_up
  finish 0
}

# I1
refuse_drift() {
  why=
  case $package_state in
    broken) [ -s "$memory" ] || why="$package ${package_version:-of no version} is half installed" ;;
    installed)
      if [ "$package_version" != "$target_version" ]; then
        why="$package $package_version is installed"
      elif ! in_place "$target_version" "$target_exe" "$target_exe_sha256" && [ ! -s "$memory" ]; then
        why="$package $package_version is installed with another executable (sha256 ${sha:-unreadable} instead of $target_exe_sha256)"
      fi
      ;;
  esac
  if [ -z "$why" ] && ! is_held; then
    case $unit_file in masked*) why="$service is masked, and by no hold of this tool (systemctl unmask $service)" ;; esac
  fi
  [ -n "$why" ] || return 0
  drop_incoming
  refuse drift 76 "$why; expected no $package, or $target_version, free to start"
}

# H3: from now on what is half installed may be this order's.
write_down() {
  recalled=true
  if [ ! -s "$memory" ]; then
    recalled=false
    durable "$memory" "service=running
unitFileState=enabled
packageVersion=$package_version" || refuse remember 74 "cannot write $memory: $(free_kib "$STATE") KiB free"
  fi
  emit remember true service running unitFileState enabled 'recalled#' "$recalled" 'held#' "$(held_word)"
}

bring_up() {
  service_lock
  [ ! -e "$pending" ] || reload
  read_service || :
  ! read_hold || stay_held
  enable_for_boot
  read_running
  how=start
  if [ "$active" = active ]; then
    # A daemon that outlived a removal, or one that the package's script has started.
    [ ! -e "$pending" ] && [ "$running_sha" = "$target_exe_sha256" ] || how=restart
  fi
  start_agent "$how"
  rm -f "$pending"
  release_service_lock
  prove_up
  read_running
  in_place "$target_version" "$target_exe" "$target_exe_sha256" ||
    refuse proof 79 "$package_state ${package_version:-nothing} is installed and $target_exe has sha256 ${sha:-unreadable}; expected $target_version with $target_exe_sha256"
  if [ "$running_sha" != "$target_exe_sha256" ]; then
    ! is_held || left_held 100
    refuse proof 79 "process $pid of $service runs an executable with sha256 ${running_sha:-unreadable}, expected $target_exe_sha256"
  fi
  ! is_held || left_held 100
  emit_status
  say_proof running
}

# The last word, with what is found at that moment: also where lib-service.sh ends the program over a hold.
say_proof() {
  read_package
  digest "$R$target_exe" || :
  [ "$1" = running ] || running_sha=
  emit proof true service "$1" runningSha256 "$running_sha" installedSha256 "$sha" packageVersion "$package_version" \
    'mainPid#' "$pid" 'restarts#' "$restarts" 'held#' "$(held_word)"
}

# I2. Needs read_hold. A script of the package may have taken the brake off, or have started the service; a new init script is
# executable again.
stay_held() {
  set_brake
  enable_for_boot
  stop_agent
  reload
  stay_down
  prove_gone
  rm -f "$pending"
  release_locks
  emit_status
  say_proof left-held
  finish 0
}

enable_for_boot() {
  did=nothing
  if [ "$init" = sysvinit ]; then
    [ "$unit_file" = enabled ] || { update-rc.d "$service" defaults >&2 8>&- 9>&- && did=enabled; }
  elif ! is_masked "$UNITS" && ! is_masked "$R/run/systemd/system"; then
    [ "$unit_file" != disabled ] || { ctl enable -q "$service.service" >&2 && did=enabled; }
  elif [ "${held_brake:-none}" = mask ]; then
    case $held_was in masked*) ;; *) enable_behind_mask ;; esac
  fi
  emit boot true did "$did"
}

# systemctl enables nothing that is masked. While the mask is off, a condition in memory keeps the hold.
enable_behind_mask() {
  held_place=$R/run/systemd/system
  write_condition "$held_place" || return 0
  where=
  is_masked "$UNITS" || where=--runtime
  reload
  unmask "$where"
  ctl enable -q --no-reload "$service.service" >&2 && now_enabled=yes
  mask "$where" >&2 && drop_condition "$held_place"
  did=nothing
  [ -z "${now_enabled:-}" ] || did=enabled
  reload
}

main "$@"
