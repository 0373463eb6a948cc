# shellcheck shell=sh disable=SC2034,SC2317,SC2119,SC2120
# What programs that install a package share, behind lib.sh: looking, remembering what was, staging, installing, restarting, proving.
# The H rules are those of lib.sh.
#
# Of the way back: what to do where the older version cannot read the agent's database.
database=keep database_path='' moved_to=''
# The drop-in with the limits of a unit that is not proven yet (lib-arm.sh).
GUARD=95-rollout-guard.conf

# look [KEY# JSON]: what is there, as HostLook. Changes nothing.
look() {
  read_unit || :
  seen_unit_file=$unit_file
  read_running
  read_package
  digest "$R$executable" || :
  installed_sha=$sha
  kept=
  for file in "$PACKAGES"/*.deb; do
    name=${file##*/}
    name=${name%.deb}
    case $name in *[!0-9a-f]*) continue ;; esac
    [ ${#name} -ne 64 ] || kept="$kept${kept:+,}\"$name\""
  done
  hold=
  ! is_held || hold='rollout hold'
  [ "${want:-}" != hold ] || hold="$hold${hold:+ and }dpkg hold"
  case $unit_file in masked*) hold="$hold${hold:+ and }unit masked" ;; esac
  fetcher=
  for tool in wget curl; do ! command -v "$tool" >/dev/null 2>&1 || fetcher=$tool; done
  read_clock
  emit look true architecture "$(dpkg --print-architecture 2>/dev/null)" packageState "$package_state" \
    packageVersion "$package_version" activeState "$active" subState "$sub" unitFileState "$unit_file" 'mainPid#' "$pid" \
    runningSha256 "$running_sha" installedSha256 "$installed_sha" 'restarts#' "$restarts" 'kept#' "[$kept]" \
    'freeKib#' "$(free_kib "$PACKAGES")" bootId "$boot_id" hold "$hold" fetcher "$fetcher" 'clockMs#' "${clock_ms:-null}" "$@"
}

# What the service is meant to be, from what it is now: sets $was (running, stopped) and $was_unit_file.
# Only a service that is stopped by somebody's will counts as stopped: one that has failed is meant to run, unless it is
# also disabled or masked.
judge_present() {
  was_unit_file=$unit_file
  case $active in
    inactive | deactivating) was=stopped ;;
    failed) case $unit_file in disabled | masked*) was=stopped ;; *) was=running ;; esac ;;
    *) was=running ;;
  esac
}

# recall: what the service is meant to be into $was and $was_unit_file, by orders/ORDER and by what was said since (H8); fails
# where there is no memory. Asked again before each deed that rests on it. Needs a read_unit just before.
recall() {
  was='' was_unit_file='' was_held=''
  [ -s "$memory" ] || return 1
  while IFS='=' read -r key value; do
    case $key in service) was=$value ;; unitFileState) was_unit_file=$value ;; held) was_held=$value ;; esac
  done <"$memory"
  case $was in running | stopped) ;; *) return 1 ;; esac
  if is_held; then
    was=stopped
  elif started_since; then
    was=running was_unit_file=$unit_file
  elif [ -n "$was_held" ]; then
    # A hold that was taken away by hand: what it kept down says nothing of what is meant now.
    judge_present
  fi
}

# Whether somebody has started the service on purpose after this order's memory was written.
started_since() {
  [ -n "$(find "$STARTED" -newer "$memory" 2>/dev/null)" ]
}

# H3: durable before the first touch; a repeated order finds the state from before it, not its own traces.
remember() {
  recalled=true
  if ! recall; then
    recalled=false
    calm
    judge_present
    held_line=
    if is_held; then
      was=stopped held_line='
held=true'
    fi
    durable "$memory" "service=$was
unitFileState=$was_unit_file
packageVersion=$package_version$held_line" || refuse remember 74 "cannot write $memory: $(free_kib "$STATE") KiB free"
  fi
  emit remember true service "$was" unitFileState "$was_unit_file" 'recalled#' "$recalled" 'held#' "$(held_word)"
}

# The hold as a word of the answer.
held_word() {
  if is_held; then echo true; else echo false; fi
}

# in_place VERSION EXE SHA256: whether the package is wholly installed, by dpkg's word and by the file itself.
in_place() {
  read_package
  [ "$package_state" = installed ] && [ "$package_version" = "$1" ] && digest "$R$2" && [ "$sha" = "$3" ]
}

# need_space KIB DIR WHAT
need_space() {
  free=$(free_kib "$2")
  [ "$free" -ge "$1" ] && return 0
  drop_incoming
  for name in ${staged_now:-}; do rm -f "$PACKAGES/$name.deb"; done
  refuse space 74 "$3 needs $1 KiB free at $2, there are $free KiB"
}

is_kept() {
  [ -f "$PACKAGES/$1.deb" ]
}

# Checked before the first byte is copied. dpkg unpacks beside the old files, so it needs the whole installed size; four
# times the package is an upper estimate of that until the package itself can be asked.
make_room() {
  rm -f "$PACKAGES"/.*.part
  need=$((target_size * 4 / 1024 + MARGIN_KIB))
  need_space "$need" "$R${target_exe%/*}" "installing $target_version"
  is_kept "$target_sha256" || need=$((need + target_size / 1024))
  [ -z "$previous_sha256" ] || is_kept "$previous_sha256" || need=$((need + previous_size / 1024))
  need_space "$need" "$PACKAGES" 'keeping the packages'
}

need_installed_size() {
  command -v dpkg-deb >/dev/null 2>&1 || return 0
  size=$(dpkg-deb -f "$PACKAGES/$target_sha256.deb" Installed-Size 2>/dev/null)
  case $size in '' | *[!0-9]* | ???????????*) return 0 ;; esac
  need_space $((size + MARGIN_KIB)) "$R${target_exe%/*}" "installing $target_version"
}

# stage NAME SHA256 SIZE: afterwards $PACKAGES/SHA256.deb is there with that digest.
stage() {
  file=$PACKAGES/$2.deb
  part=$PACKAGES/.$2.part
  source=
  [ -z "$incoming" ] || source=$incoming/$2.deb
  spoilt=
  if [ -e "$file" ]; then
    if digest "$file" && [ "$sha" = "$2" ]; then
      [ -z "$source" ] || rm -f "$source"
      emit stage true package "$1" sha256 "$2" from kept
      return
    fi
    spoilt=" (the copy kept here had sha256 ${sha:-unreadable} and was removed)"
    rm -f "$file"
  fi
  if [ -z "$source" ] || [ ! -f "$source" ] || [ -L "$source" ]; then
    refuse stage 72 "the $1 package $2 is neither kept on this host nor delivered$spoilt"
  fi
  size=$(wc -c <"$source" | tr -d ' ')
  if [ "$size" != "$3" ]; then
    rm -f "$source"
    refuse stage 73 "the delivered $1 package has $size bytes, expected $3 bytes of sha256 $2; removed"
  fi
  if ! cp "$source" "$part" || ! chmod 0644 "$part" || ! { sync "$part" 2>/dev/null || sync; }; then
    rm -f "$part" "$source"
    refuse stage 74 "the $1 package could not be copied to $PACKAGES: $(free_kib "$PACKAGES") KiB free"
  fi
  digest "$part" || :
  if [ "$sha" != "$2" ]; then # H4
    rm -f "$part" "$source"
    refuse stage 73 "the delivered $1 package has sha256 ${sha:-unreadable}, expected $2; removed"
  fi
  mv -f "$part" "$file" && rm -f "$source"
  staged_now="${staged_now:-} $2"
  emit stage true package "$1" sha256 "$2" from delivered
}

# install_quietly COMMAND...: output into $LOG. PIPE is put back for maintainer scripts; HUP stays ignored (H5).
install_quietly() {
  limit=
  command -v timeout >/dev/null 2>&1 && limit="timeout -k 10 $((INSTALL_LIMIT_S + lock_timeout_s))"
  # shellcheck disable=SC2086
  (
    trap - PIPE
    export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none UCF_FORCE_CONFFOLD=1
    $limit "$@" 8>&- 9>&-
    exit "$?" # not the last command, or the shell would become the installer
  ) >"$LOG" 2>&1
}

install_with() {
  if [ "$1" = apt ]; then
    # shellcheck disable=SC2086
    with_heartbeat install install_quietly apt-get install -y -q --reinstall --allow-downgrades --no-install-recommends --no-remove $held \
      -o DPkg::Lock::Timeout="$lock_left" -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
      -o Dpkg::Use-Pty=0 "$2"
  else
    with_heartbeat install install_quietly dpkg -i --force-confdef --force-confold "$2"
  fi
}

# The log of the installer, as far as it fits into a message.
log_tail() {
  tail -c 450 "$LOG" 2>/dev/null
}

# refused_for PATTERN: whether the installer gave up for this reason before it touched anything. Its words alone are no proof
# of that: a maintainer script may have printed them.
refused_for() {
  [ "$code" -ne 0 ] || return 1
  grep -Eq "$1" "$LOG" || return 1
  read_package
  [ "$package_state $package_version" = "$before" ]
}

# apt refuses to work on an interrupted dpkg; dpkg itself mends what it left behind.
choose_method() {
  method=apt
  if [ "$package_state" = broken ] || [ -n "$(ls -A "$R/var/lib/dpkg/updates" 2>/dev/null)" ] || ! command -v apt-get >/dev/null 2>&1; then
    method=dpkg
  fi
}

# install_package NAME SHA256 VERSION EXE EXE_SHA256: afterwards the package is wholly installed.
install_package() {
  : >"$pending"
  read_package
  before="$package_state $package_version"
  before_want=$want
  held=
  [ "$program" != revert ] || held=--allow-change-held-packages
  method=
  started=$(date +%s)
  while :; do
    lock_left=$((lock_timeout_s - ($(date +%s) - started)))
    [ "$lock_left" -ge 0 ] || lock_left=0
    [ "$method" = dpkg-only ] || choose_method
    install_with "$method" "$PACKAGES/$2.deb"
    if refused_for 'Could not get lock|Unable to acquire the dpkg|locked by another process|Unable to lock'; then
      if [ "$lock_left" -eq 0 ]; then
        rm -f "$pending"
        refuse install 75 "dpkg's lock was held by another for $lock_timeout_s s: $(log_tail)"
      fi
      [ $((lock_left % 5)) -ne 0 ] || emit waiting true on dpkg-lock 'secondsLeft#' "$lock_left"
      sleep 1 # dpkg does not wait by itself
      continue
    fi
    [ "$code" -ne 0 ] || break
    if refused_for 'No space left on device|not have enough free space'; then
      rm -f "$pending"
      refuse install 74 "no space to install $3: $(log_tail)"
    fi
    # The way back must not depend on the health of apt's view of other packages; nor is the version to blame for that. dpkg
    # still checks what the package itself depends on.
    if [ "$method" = apt ] && { [ "$program" = revert ] || refused_for 'Unmet dependencies. Try .apt'; }; then
      method=dpkg-only
      continue
    fi
    case $code in 124 | 137) hung=", ended after $((INSTALL_LIMIT_S + lock_timeout_s)) s" ;; *) hung= ;; esac
    ! is_held || hung="$hung, while a hold keeps $service down, over which a script of the package may have failed"
    refuse install 77 "installing $3 failed (exit $code$hung): $(log_tail)"
  done
  # A hold that came after the upgrade is somebody's wish; installing takes it off.
  [ "$before_want" != hold ] || echo "$package hold" | dpkg --set-selections
  in_place "$3" "$4" "$5" || refuse install 77 "installing $3 ended without an error, but $package_state ${package_version:-nothing} is installed and $4 has sha256 ${sha:-unreadable}, expected $5"
  emit install true package "$1" packageVersion "$3" by "${method%-only}"
}

restart_quietly() {
  systemctl restart "$service.service" >&2
}

stop_quietly() {
  systemctl stop "$service.service" >&2
}

# settle SHA256: the service is made what it is meant to be now; restarted where another executable runs, or an install came in
# between. $was is stopped afterwards where a hold has come meanwhile.
settle() {
  read_unit || :
  recall || :
  restore_unit_file
  [ ! -e "$pending" ] || systemctl daemon-reload
  did=nothing
  [ "$was" != running ] || restart_where_due "$1"
  [ "$was" = running ] || stop_where_due
  rm -f "$pending"
  emit restart true did "$did" unitFileState "$was_unit_file" 'held#' "$(held_word)"
}

# Puts back what a package's script changed. A mask that a hold has brought stays, also against such a script: only who lifts
# the hold takes it off, and that waits for this program.
restore_unit_file() {
  from=$was_unit_file
  if is_held; then
    from=$seen_unit_file
    if grep -qsx 'brake=mask' "$HOLD"; then
      from=masked
    elif grep -qsx 'brake=mask' "$HOLD_IN_MEMORY"; then
      from=masked-runtime
    fi
  fi
  case $from:$unit_file in
    enabled:disabled) systemctl enable -q "$service.service" >/dev/null ;;
    disabled:enabled) systemctl disable -q "$service.service" >/dev/null ;;
    masked*:masked*) ;;
    masked:*) systemctl mask -q "$service.service" >/dev/null ;;
    masked-runtime:*) systemctl mask -q --runtime "$service.service" >/dev/null ;;
    enabled:masked | disabled:masked) is_held || systemctl unmask -q "$service.service" >/dev/null ;;
  esac
}

# restart_where_due SHA256. A stop may cancel the restart or mask the unit under it: then it is no failure, and $was is stopped.
restart_where_due() {
  read_running
  [ -e "$pending" ] || [ "$active" != active ] || [ "$running_sha" != "$1" ] || return 0
  did=restarted
  systemctl daemon-reload
  systemctl reset-failed "$service.service" >/dev/null 2>&1
  tries=0
  while :; do
    if is_held; then
      was=stopped
      return 0
    fi
    with_heartbeat restart restart_quietly
    if is_held; then
      was=stopped
      return 0
    fi
    [ "$code" -ne 0 ] || return 0
    read_unit || :
    ! move_database || continue
    tries=$((tries + 1))
    # Stopped and started again by somebody while the restart was under way: then it was that which called it off.
    if [ "$tries" -gt 1 ] || ! started_since; then refuse restart 78 "systemctl restart $service failed: $(unit_lines)$(old_database)$(guard_words)"; fi
  done
}

stop_where_due() {
  read_unit || :
  [ "$active" != inactive ] || return 0
  did=stopped
  with_heartbeat stop stop_quietly
  systemctl reset-failed "$service.service" >/dev/null 2>&1
  read_unit || :
}

# What exit status 78 says of osquery, and what the operator can do about it.
old_database() {
  [ "$program" = revert ] && [ "$exec_status" = 78 ] || return 0
  where=${database_path:-/var/osquery/osquery.db}
  printf '%s' '; exit status 78 is what osquery ends with when a newer version has changed its database'
  if [ -n "$moved_to" ]; then
    printf '%s' ", but it does so with a new one too: the old one is at $moved_to"
  else
    printf '%s' ": set \`database: move-aside\` in the playbook and roll back again, or move $where aside by hand and start $service; $ASIDE_COSTS"
  fi
}

# A limit of ours may be what ended it.
guard_words() {
  limits=$(grep '^[CM]' "$R/run/systemd/system/$service.service.d/$GUARD" 2>/dev/null | tr '\n' ' ')
  [ -z "$limits" ] || printf '%s' "; while it is unproven rollout's guard limits it: ${limits% }"
}

ASIDE_COSTS='it costs a new enrolment, the events that were buffered, and every row comes again as added'

# move_database: out of the way of the older version, where it is that which it fails for and where that is allowed; once, and never
# deleted. Succeeds where the service is now to be started anew. Once an order, not once an attempt: a host that fails for another reason
# would lay a copy aside every few minutes for ever.
move_database() {
  [ "$program" = revert ] && [ "$database" = move-aside ] && [ -z "$moved_to" ] && [ -e "$R$database_path" ] || return 1
  saw_78 || return 1
  systemctl stop "$service.service" >/dev/null 2>&1
  aside=$database_path.rollout-$order
  copies=1
  while [ -e "$R$aside" ] || [ -L "$R$aside" ]; do
    copies=$((copies + 1))
    aside=$database_path.rollout-$order.$copies
  done
  durable "$memory.database" "$aside" || : # going back matters more
  mv "$R$database_path" "$R$aside" ||
    refuse database 78 "$service cannot start with the database of the newer version (exit status 78), and $database_path could not be moved to $aside: move it by hand, then start $service"
  sync "$R${database_path%/*}" 2>/dev/null || :
  tell_moved
}

# Of the attempt that moved it, whose answer may be lost; not there any more: somebody has put it back.
recall_database() {
  aside=
  [ ! -s "$memory.database" ] || read -r aside <"$memory.database" || :
  [ -z "$aside" ] || [ ! -e "$R$aside" ] || tell_moved
}

tell_moved() {
  moved_to=$aside
  kib=$(du -sk "$R$aside" 2>/dev/null | awk 'NR == 1 { print $1 }')
  database_note="its database, which the newer version had changed, was moved to $aside (${kib:-?} KiB, kept until somebody deletes it); $ASIDE_COSTS"
  emit database true movedTo "$aside" 'kib#' "${kib:-0}" message "$database_note"
}

# A unit that is restarted by systemd tells its last exit status only while it is between two processes.
saw_78() {
  patience=150
  while [ "$exec_status" = 0 ] && [ "$active" != failed ] && [ "$restarts" -gt 0 ] && [ "$patience" -gt 0 ]; do
    patience=$((patience - 1))
    sleep 0.1
    read_unit || :
  done
  [ "$exec_status" = 78 ]
}

# gives_way: whether a hold has come that ends the proof of a running service (H8). `prove` changes nothing, so that it takes
# what runs as it is, and a hold only as the reason why nothing runs.
gives_way() {
  is_held || return 1
  [ "$program" = prove ] || return 0
  read_unit || :
  [ "$active" != active ]
}

# unsteady WHY: no failure of the version where a hold has come, or where its database is now out of its way (returns 1 then).
unsteady() {
  ! gives_way || return 1
  ! move_database || return 1
  refuse proof 78 "$service did not stay up: $1: $(unit_lines)$(old_database)$(guard_words)"
}

# steady: whether the unit is active; tells apart a stop by somebody from a crash. Fails where a hold has come.
steady() {
  ! gives_way || return 1
  calm
  case $active in
    active) [ "$pid" -gt 0 ] || unsteady 'it has no main process' ;;
    inactive)
      ! gives_way || return 1
      emit proof false 'overridden#' true message "$service was running and is now stopped (exit status $exec_status): somebody has stopped it, or it ended by itself"
      finish 79
      ;;
    *) unsteady "it is ${active:-unknown}" ;;
  esac
}

# prove_running SHA256: one process stays for prove_ms and is that executable. Hashed at the end: just after its start the
# process may still be the one that will become the daemon, and the hash is a burden on the host. Fails where a hold has come.
prove_running() {
  read_unit || :
  steady || return 1
  first_pid=$pid
  first_restarts=$restarts
  left=$prove_ms
  renewed=0
  while [ "$left" -gt 0 ]; do
    sleep 0.25
    left=$((left - 250))
    [ $((left % 5000)) -ge 250 ] || [ "$left" -le 0 ] || emit working true on proof 'msLeft#' "$left"
    read_unit || :
    steady || return 1
    [ "$restarts" -le "$first_restarts" ] || unsteady "systemd restarted it (process $first_pid became $pid)" || return 1
    if [ "$pid" -ne "$first_pid" ]; then
      # Restarted by a hand or by configuration management, not for a crash: prove the new process instead.
      renewed=$((renewed + 1))
      [ "$renewed" -le 3 ] || unsteady 'its process changes again and again' || return 1
      first_pid=$pid
      first_restarts=$restarts
      left=$prove_ms
    fi
  done
  read_running
  read_unit || :
  steady || return 1
  if [ "$pid" -ne "$first_pid" ] || [ "$restarts" -gt "$first_restarts" ]; then
    unsteady "process $first_pid became $pid" || return 1
  fi
  [ "$running_sha" = "$1" ] || ! gives_way || return 1
  [ "$running_sha" = "$1" ] || refuse proof 79 "process $pid of $service runs an executable with sha256 ${running_sha:-unreadable}, expected $1"
}

# prove_agent VERSION EXE SHA256: the last word of every program that changes something. A stop and a start may both come while
# it looks: each turn does what is meant then, and the last one is what is told.
prove_agent() {
  turns=0
  while :; do
    in_place "$1" "$2" "$3" || refuse proof 79 "$package_state ${package_version:-nothing} is installed and $2 has sha256 ${sha:-unreadable}; expected $1 with $3"
    if [ "$was" = running ] && prove_running "$3" && ! gives_way; then
      proven=running
      break
    fi
    if prove_stopped; then
      proven='left-stopped'
      break
    fi
    turns=$((turns + 1))
    [ "$turns" -lt 5 ] || refuse proof 79 "$service is stopped and started again and again by others"
    [ "$program" = prove ] || settle "$3"
  done
  emit proof true service "$proven" runningSha256 "$running_sha" installedSha256 "$3" packageVersion "$1" 'mainPid#' "$pid" \
    'restarts#' "$restarts" 'held#' "$(held_word)"
}

# Fails, with $was running, where the service is meant to run again.
prove_stopped() {
  read_unit || :
  [ "$program" != prove ] || calm
  if is_held; then
    was=stopped
    # Started in the race with the stop, or by a script of the package.
    [ "$program" = prove ] || stop_where_due
  elif recall && [ "$was" = running ]; then
    return 1
  fi
  case $active in
    inactive | failed) running_sha='' ;;
    *)
      [ "$program" != prove ] || was=running
      [ "$was" != running ] || return 1
      ! is_held || refuse proof 79 "$service is held and could not be stopped: $(unit_lines)"
      refuse proof 79 "$service was stopped before and is $active now"
      ;;
  esac
}

# is_way_back SHA256: whether an armed host goes back with that package.
is_way_back() {
  grep -qsx "parameter=previous_sha256=$1" "$STATE/revert/state"
}

# Keeps the two packages of this order, what an armed host needs to go back, and nothing else.
prune() {
  drop_incoming
  for file in "$PACKAGES"/*.deb "$PACKAGES"/.*.part; do
    case $file in
      "$PACKAGES/$target_sha256.deb" | "$PACKAGES/$previous_sha256.deb") ;;
      *)
        name=${file##*/}
        is_way_back "${name%.deb}" || rm -f "$file"
        ;;
    esac
  done
  find "$STATE/orders" -type f -mtime +180 -exec rm -f {} + 2>/dev/null
  rm -f "$STATE"/fence/*.tmp "$STATE"/orders/*.tmp "$LOG"
  emit prune true
}

# What installs or removes the package, and leaves the service to lib-service.sh: it needs dpkg, and either init.
need_dpkg() {
  for tool in dpkg dpkg-query; do
    command -v "$tool" >/dev/null 2>&1 || refuse unsupported 69 "this host has no $tool: it cannot carry the package"
  done
  init=
  if command -v systemctl >/dev/null 2>&1 && read_service; then
    init=systemd
  elif [ -d "$R/etc/init.d" ] && [ ! -d "$R/run/systemd/system" ] && command -v service >/dev/null 2>&1; then
    # Without the package there is no script of its own that would tell.
    init=sysvinit
    read_service
  else
    refuse unsupported 69 'neither systemd nor sysvinit answers on this host'
  fi
}

# Held for a stop or a start alone: an emergency waits for no dpkg.
release_service_lock() {
  exec 8>&-
  [ -z "${service_lock_folder:-}" ] || rm -rf "$service_lock_folder"
  service_lock_folder='' holds_service_lock=''
}
