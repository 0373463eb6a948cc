# shellcheck shell=sh disable=SC2154
# Stops, starts, restarts the agent's service, and puts it on or off for boot. Every verb may be repeated, and killed anywhere.
# The rules are those of lib-service.sh.

main() {
  begin service "$@"
  require verb
  [ -z "$hold_action" ] || require hold_environment hold_since hold_until
  case $verb:$now in stop:* | disable:true) detect_init or-go-on ;; *) detect_init ;; esac
  case $verb:$now in
    stop:* | disable:true)
      service_lock or-go-on
      bring_down
      ;;
    start:* | enable:true)
      require prove_ms
      service_lock
      bring_up
      ;;
    restart:*)
      require prove_ms
      service_lock
      again
      ;;
    *)
      service_lock
      for_boot_alone
      ;;
  esac
}

# S2, S3: first what makes the stop stick, then the stop, then whoever else is told.
bring_down() {
  if [ -n "$hold_action" ]; then
    write_hold
    [ "$verb" != disable ] || set_boot
    set_brake
  else
    say_hold
    [ "$verb" != disable ] || set_boot
  fi
  stop_agent
  if [ -n "$hold_action" ]; then
    reload
    detect_starters
    told_before=$held_told
    tell_controllers
    held_told=$(printf '%s%s' "$told_before" "$told_now" | sort -u)
    held_told="$held_told${held_told:+
}"
    # Told or not, the hold stands.
    [ "$held_told" = "$told_before" ] || [ "$held_kept" = none ] || keep_hold || :
    stay_down
  fi
  prove_gone
  emit_status
  say_proof stopped
  finish 0
}

# S2: killed anywhere, the hold is still there, or nothing but the start is missing. S6: not beneath an installation.
bring_up() {
  take_host_lock
  was_held=
  ! read_hold || was_held=yes
  release_brake
  # Also where nothing was left to release: an earlier start may have been killed before systemd was told.
  if [ -n "$was_held" ] || [ "$did" = released ] || [ "$reload_due" = yes ]; then reload; fi
  if [ -n "$was_held" ]; then
    detect_starters
    tell_controllers
  fi
  # Before the hold is gone: who looks in between must find one of the two.
  say_started || :
  lift_hold
  [ -n "$started_said" ] || say_started || :
  [ "$verb" != enable ] || set_boot
  start_agent
  prove_up
  emit_status
  say_proof running
  finish 0
}

# The service is meant to run from now on, whatever an earlier order remembers.
say_started() {
  started_said=
  durable "$STARTED" "$verb" 2>/dev/null && started_said=yes
}

again() {
  take_host_lock
  say_hold
  ! is_held || left_held 0
  start_agent restart
  say_started || :
  prove_up
  emit_status
  say_proof running
  finish 0
}

for_boot_alone() {
  say_hold
  set_boot
  release_locks
  emit_status
  case $active in
    active | activating | reloading) say_proof running ;;
    *) if is_held; then say_proof left-held; else say_proof stopped; fi ;;
  esac
  finish 0
}

# For who holds nothing new: whether one is there.
say_hold() {
  if read_hold; then emit hold true did kept kept "$held_kept"; else emit hold true did none kept none; fi
}

# set_boot: as $verb says. A masked unit is neither enabled nor disabled by systemctl, which says so, and for `disable` ends well:
# where the mask is the hold's it is taken away for that moment.
set_boot() {
  did=nothing boot_message=
  links
  case $verb:$init in
    *:sysvinit) [ "$boot_state" = "${verb}d" ] || change_boot update-rc.d "$service" "$verb" || script_defaults ;;
    *)
      if [ -n "$mute" ]; then
        [ "$boot_state" = "${verb}d" ] || { did=failed boot_message='systemd does not answer on this host'; }
      elif ! is_masked "$UNITS" && ! is_masked "$R/run/systemd/system"; then
        if [ "$unit_file" != "${verb}d" ] || [ "$boot_state" != "${verb}d" ]; then
          change_boot ctl "$verb" -q --no-reload "$service.service" || :
          # A stop reloads later, when nothing runs any more.
          [ "$verb:$now" = disable:true ] || reload
        fi
      elif [ "${held_brake:-none}" = mask ] && case $held_was in masked*) false ;; esac then
        [ "$boot_state" = "${verb}d" ] || behind_the_mask
      elif [ "$verb" = enable ]; then
        refuse boot 78 "$service is masked, and by no hold of this tool, so that it cannot be enabled: ask who did it, then systemctl unmask $service"
      else
        # As systemctl has it, which ends well here.
        emit boot true did nothing unitFileState masked message "$service is masked, and by no hold of this tool: it is not started at boot as it is"
        return 0
      fi
      ;;
  esac
  links
  case $did in
    failed)
      [ "$verb:$now" = disable:true ] || refuse boot 78 "cannot $verb $service: $boot_message"
      emit boot false did nothing unitFileState "$boot_state" message "cannot $verb $service: $boot_message" # S3
      ;;
    *) emit boot true did "$did" unitFileState "$boot_state" message "$boot_message" ;;
  esac
}

change_boot() {
  if boot_message=$("$@" 2>&1 8>&- 9>&-); then did=${verb}d; else did=failed; fi
  [ "$did" != failed ]
}

# A script that never had links.
script_defaults() {
  [ "$verb" != enable ] || change_boot update-rc.d "$service" defaults
}

# While the mask is off, a condition keeps the hold: not for a moment can the unit be started. Killed in between, it stays.
behind_the_mask() {
  held_place=$UNITS
  [ "$held_kept" = disk ] || held_place=$R/run/systemd/system
  if ! write_condition "$held_place"; then
    did=failed boot_message="cannot write to $held_place, which would keep the hold meanwhile"
    return
  fi
  where=
  is_masked "$UNITS" || where=--runtime
  unmask "$where"
  change_boot ctl "$verb" -q --no-reload "$service.service" || :
  went=$did
  mask "$where" >&2 && drop_condition "$held_place"
  did=$went
  reload
}

# What a boot finds: by the links themselves, since systemd remembers another state until it is reloaded, and tells `masked` over it.
links() {
  boot_state=disabled
  if [ "$init" = sysvinit ]; then
    read_service
    boot_state=$unit_file
    return
  fi
  for link in "$UNITS"/*.wants/"$service.service" "$UNITS"/*.requires/"$service.service"; do
    if [ -e "$link" ] || [ -L "$link" ]; then boot_state=enabled; fi
  done
}

main "$@"
