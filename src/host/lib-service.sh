# shellcheck shell=sh disable=SC2034,SC2154,SC2317,SC2119,SC2120
# What programs that start and stop the agent share, behind lib.sh: its processes, its unit, the hold, the brake, who else is told.
# One long file since one text is sent. Owns /var/lib/rollout/hold and /var/lib/rollout/started on the host.
#
# S1  A stop is proven by no process of the agent being left, never by systemd's word alone.
# S2  The hold is durable before anything is stopped, and is gone only after the brake is: killed in between, a host is held.
# S3  An emergency goes on: a full or broken disk, a controller that fails, a lock that cannot be made keep no stop from stopping.
# S4  What was before the first hold (mask, mode of an init script) is in the hold, and no later hold overwrites it.
# S5  Text of people and of files is data: printed, compared, passed on as one word; never evaluated.
# S6  A stop waits for no installation and takes no lock that one holds. Lifecycle programs exclude one another, for 20 s at most.
# S7  Nothing that is started inherits a lock.
# S8  Only processes of this host are the agent's: neither a container's, nor an interactive shell by the name of osqueryi.
# S9  A systemd that does not answer (PID 1 is stuck, or crashed: systemctl itself would wait for 90 s) keeps no stop from stopping: $mute
#     is then set, signals take the place of systemctl, and links that of its mask. It is asked again after that.
SERVICE_LOCK=$R/run/rollout/service.lock
UNITS=$R/etc/systemd/system
DROP_IN=90-rollout-hold.conf
# A unit that takes longer to stop is killed. systemd's own TimeoutStopSec comes first where it is shorter: 15 s for osquery.
STOP_LIMIT_S=60
START_LIMIT_S=120
# S9. An answer takes some ms; what changes nothing that runs, such as a reload, seconds on a slow host.
ANSWER_LIMIT_S=10
DEED_LIMIT_S=30
mute=
starters_asked='' controllers=0
verb='' now=false brake=none sample_ms=0 hold_action='' hold_environment='' hold_by='' hold_reason='' hold_since='' hold_until=''
# Assigned by eval.
words=0 when='' limit_s=''

own_parameter() {
  case $1 in
    verb) check_word "$1" "$2" stop start restart enable disable && verb=$2 ;;
    now) check_word "$1" "$2" true false && now=$2 ;;
    brake) check_word "$1" "$2" mask condition none && brake=$2 ;;
    sample_ms) check "$1" "$2" '[!0-9]' && sample_ms=$2 ;;
    starter) check "$1" "$2" '[!A-Za-z0-9:_.@-]' && starters_asked="$starters_asked $2" ;;
    hold_action) check "$1" "$2" '[!A-Za-z0-9_.-]' && hold_action=$2 ;;
    hold_environment) check "$1" "$2" '[!A-Za-z0-9_.-]' && hold_environment=$2 ;;
    hold_by) check_text "$1" "$2" && hold_by=$2 ;;
    hold_reason) check_text "$1" "$2" && hold_reason=$2 ;;
    hold_since) check "$1" "$2" '[!0-9]' && hold_since=$2 ;;
    hold_until) check "$1" "$2" '[!0-9]' && hold_until=$2 ;;
    controller)
      check_text "$1" "$2"
      controllers=$((controllers + 1))
      eval "controller_name_$controllers=\$2 controller_when_$controllers=always controller_limit_$controllers=30 controller_words_$controllers=0"
      ;;
    controller_when)
      check "$1" "$2" '[!A-Za-z0-9:_.@-]'
      eval "controller_when_$controllers=\$2"
      case $2 in always) ;; *) starters_asked="$starters_asked $2" ;; esac
      ;;
    controller_timeout_s) check "$1" "$2" '[!0-9]' && eval "controller_limit_$controllers=\$2" ;;
    controller_word)
      check_text "$1" "$2"
      [ "$controllers" -gt 0 ] || return 1
      eval "words=\$((controller_words_$controllers + 1)) controller_words_$controllers=\$words"
      eval "controller_word_${controllers}_$words=\$2" # S5: the value is assigned by reference
      ;;
    *) return 1 ;;
  esac
}

# limited SECONDS COMMAND...: as `timeout` has it, 124 when it took longer. S7.
limited() {
  limit=$1
  shift
  if command -v timeout >/dev/null 2>&1; then
    timeout -k 2 "$limit" "$@" 8>&- 9>&-
  else
    "$@" 8>&- 9>&-
  fi
}

# S6. service_lock [or-go-on]: waits for another lifecycle program; `or-go-on`: where no lock can be made there is none (S3).
service_lock() {
  if ! (umask 077 && mkdir -p "$R/run/rollout" && : >>"$SERVICE_LOCK") 2>/dev/null; then
    [ "${1:-}" != or-go-on ] || return 0
    refuse lock 74 "cannot write to $R/run/rollout"
  fi
  waited=0 holds_service_lock=yes
  if command -v flock >/dev/null 2>&1; then exec 8>>"$SERVICE_LOCK"; fi
  until take_service_lock; do
    [ "$waited" -lt 20 ] || refuse lock 70 'another lifecycle program has been at work on this host for 20 s; look again, or try again when it has ended'
    waited=$((waited + 5))
    emit working true on lock 'seconds#' "$waited"
  done
}

# Tries for 5 s.
take_service_lock() {
  if command -v flock >/dev/null 2>&1; then
    flock -n 8 || flock -w 5 8
    return
  fi
  tries=0
  until mkdir "$SERVICE_LOCK.d" 2>/dev/null; do
    owner=
    read -r owner 2>/dev/null <"$SERVICE_LOCK.d/pid" || :
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then rm -rf "$SERVICE_LOCK.d"; fi
    tries=$((tries + 1))
    # One that was killed before it wrote its name.
    [ "$tries" -lt 10 ] || [ -n "$owner" ] || rm -rf "$SERVICE_LOCK.d"
    [ "$tries" -lt 20 ] || return 1
    sleep 0.25
  done
  service_lock_folder=$SERVICE_LOCK.d
  echo $$ >"$service_lock_folder/pid"
}

# A proof takes long and changes nothing: a stop need not wait for it.
release_locks() {
  exec 8>&- 9>&-
  [ -z "${service_lock_folder:-}" ] || rm -rf "$service_lock_folder"
  [ -z "${lock_folder:-}" ] || rm -rf "$lock_folder"
  service_lock_folder='' lock_folder='' holds_service_lock=''
}

# take_host_lock: the one that an installation holds; refused with 70 where one is at work. (hold_lock wants room on the disk.)
take_host_lock() {
  if ! command -v flock >/dev/null 2>&1; then
    hold_lock
    return
  fi
  exec 9>>"$LOCK"
  flock -n 9 || refuse lock 70 "an installation is at work on this host: $service is not touched; try again when it has ended"
}

service_lock_is_held() {
  if command -v flock >/dev/null 2>&1; then
    [ -r "$SERVICE_LOCK" ] || return 1
    (flock -n -s 8) 8<"$SERVICE_LOCK" && return 1
    return 0
  fi
  [ -d "$SERVICE_LOCK.d" ]
}

# detect_init [or-go-on]: $init is systemd or sysvinit, and the service is read; ends the program where neither is there, or, without
# `or-go-on`, where systemd does not answer.
detect_init() {
  init=
  if command -v systemctl >/dev/null 2>&1 && read_service; then
    init=systemd
  elif [ -d "$R/run/systemd/system" ] && [ "${1:-}" = or-go-on ]; then
    init=systemd
    now_mute
  elif [ ! -d "$R/run/systemd/system" ] && command -v service >/dev/null 2>&1 && [ -f "$R/etc/init.d/$service" ]; then
    init=sysvinit
    read_service
  else
    refuse unsupported 69 "systemd does not answer on this host, and it has no /etc/init.d/$service"
  fi
}

# Everything of the unit by one call. By sysvinit the processes tell.
read_service() {
  load='' active='' sub='' unit_file='' pid=0 restarts=0 exit_status=0 cpu_ns='' mem_bytes='' cgroup='' result='' began_us='' reload_due=no triggers=''
  if [ "${init:-}" = sysvinit ] || [ -n "$mute" ]; then
    read_script
    return 0
  fi
  ask_unit && return 0
  # It answers again in a moment where it is just executed anew.
  if [ "$asked" -ne 124 ] && [ -d "$R/run/systemd/system" ]; then
    sleep 1
    ask_unit && return 0
  fi
  [ "${init:-}" = systemd ] || return 1
  now_mute
}

ask_unit() {
  properties=$(limited "$ANSWER_LIMIT_S" systemctl show "$service.service" -p LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,ExecMainStatus,ExecMainStartTimestampMonotonic,CPUUsageNSec,MemoryCurrent,ControlGroup,Result,NeedDaemonReload,TriggeredBy 2>/dev/null)
  asked=$?
  while IFS='=' read -r key value; do
    case $key in
      LoadState) load=$value ;;
      ActiveState) active=$value ;;
      SubState) sub=$value ;;
      UnitFileState) unit_file=$value ;;
      MainPID) whole "$value" 0 && pid=$number ;;
      NRestarts) whole "$value" 0 && restarts=$number ;;
      ExecMainStatus) whole "$value" 0 && exit_status=$number ;;
      ExecMainStartTimestampMonotonic) whole "$value" '' && began_us=$number ;;
      CPUUsageNSec) whole "$value" '' && cpu_ns=$number ;;
      MemoryCurrent) whole "$value" '' && mem_bytes=$number ;;
      ControlGroup) cgroup=$value ;;
      Result) result=$value ;;
      NeedDaemonReload) reload_due=$value ;;
      TriggeredBy) triggers=$value ;;
    esac
  done <<END
$properties
END
  exec_status=$exit_status # unit_lines
  [ -n "$active" ]
}

# S9
now_mute() {
  mute=yes
  read_service
}

# Whether systemd answers (again).
is_heard() {
  mute=
  read_service
  [ -z "$mute" ]
}

# systemctl, for what takes no time.
ctl() {
  limited "$DEED_LIMIT_S" systemctl "$@"
}

# whole TEXT ELSE: a number that a shell can count with into $number; systemd writes `[not set]` or 2^64-1 for what it does not know.
whole() {
  case $1 in '' | *[!0-9]* | ???????????????????*) number=$2 ;; *) number=$1 ;; esac
}

read_script() {
  load=loaded sub='' active=inactive unit_file=disabled
  if [ -n "$mute" ]; then
    sub='no-answer'
    set -- "$UNITS"/*.wants/"$service.service" "$UNITS"/*.requires/"$service.service"
  else
    set -- "$R"/etc/rc[2-5].d/S[0-9][0-9]"$service"
  fi
  for link in "$@"; do
    if [ -e "$link" ] || [ -L "$link" ]; then unit_file=enabled; fi
  done
  if [ -n "$mute" ]; then
    ! is_masked "$R/run/systemd/system" || unit_file=masked-runtime
    ! is_masked "$UNITS" || unit_file=masked
  fi
  agent_processes
  [ -n "$agents" ] || return 0
  active=active sub=${sub:-running}
  for one in $agents; do
    read_stat "$one" || continue
    # The one that no other of them has started.
    case " $agents " in *" $parent "*) ;; *) [ "$pid" -ne 0 ] || pid=$one ;; esac
  done
  [ "$pid" -ne 0 ] || pid=${agents%% *}
}

# agent_processes: numbers of the agent's processes into $agents (S8), also of an executable that was replaced or removed since.
# One look by one `find`; ends the program where that cannot be had, for nobody there and nobody seen are not the same (S1).
agent_processes() {
  agents=
  real=$(readlink -f "$R$executable" 2>/dev/null) || real=
  real=${real#"$R"}
  pattern "$executable"
  first=$escaped
  pattern "${real:-$executable}"
  found=$(find "$R"/proc/[0-9]*/exe -maxdepth 0 \( -lname "$first" -o -lname "$first (deleted)" -o -lname "$first.dpkg-* (deleted)" \
    -o -lname "$escaped" -o -lname "$escaped (deleted)" -o -lname "$escaped.dpkg-* (deleted)" -o -type f \) 2>/dev/null)
  case $? in
    126 | 127) # more processes than fit into a command line
      found=$(find "$R/proc" -maxdepth 2 -path '*/proc/[0-9]*/exe' \( -lname "$first" -o -lname "$first (deleted)" \
        -o -lname "$escaped" -o -lname "$escaped (deleted)" -o -type f \) 2>/dev/null)
      case $? in 126 | 127) refuse processes 79 'cannot look at the processes of this host: find does not run' ;; esac
      ;;
  esac
  while read -r path; do
    one=${path%/exe}
    one=${one##*/}
    [ -n "$one" ] && is_agent "$one" && agents="$agents${agents:+ }$one"
  done <<END
$found
END
}

# (A file that is no link is an embedded host's: `-type f`.)
is_agent() {
  comm=
  read -r comm 2>/dev/null <"$R/proc/$1/comm" || :
  [ "$comm" != osqueryi ] || return 1
  # shellcheck disable=SC3013 # dash and bash have -ef
  [ ! -e "$R/proc/$1/ns/pid" ] || [ "$R/proc/$1/ns/pid" -ef "$R/proc/self/ns/pid" ]
}

# pattern PATH: into $escaped, with what find would take for a wildcard made plain.
pattern() {
  case $1 in *[][\\*?]*) escaped=$(printf '%s' "$1" | sed 's/[][\\*?]/\\&/g') ;; *) escaped=$1 ;; esac
}

# read_stat PID: $parent, $ticks (of it and of children that it has waited for) and $began (ticks since boot).
read_stat() {
  parent=0 ticks=0 began=0
  stat=
  read -r stat 2>/dev/null <"$R/proc/$1/stat" || return 1
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  [ $# -ge 20 ] || return 1
  parent=$2
  ticks=$((${12} + ${13} + ${14} + ${15}))
  began=${20}
}

# in_unit PID: whether a process is the service's own: in its cgroup, its main process, or a child of that.
in_unit() {
  [ "$1" != "$pid" ] || return 0
  while read -r line; do
    case $line in *"/$service.service" | *"/$service.service/"*) return 0 ;; esac
  done 2>/dev/null <"$R/proc/$1/cgroup"
  read_stat "$1" || return 1
  [ "$parent" -ne 0 ] && [ "$parent" = "$pid" ]
}

# describe PID...: for a message.
describe() {
  for one in "$@"; do
    printf '%s' "process $one ($(tr '\0' ' ' 2>/dev/null <"$R/proc/$one/cmdline" | head -c 120)) "
  done
}

# read_hold: what the hold says into held_*; fails where there is none. In memory is the newer one where both are there: it was
# written because the disk refused.
read_hold() {
  held_action='' held_environment='' held_by='' held_reason='' held_since=0 held_until=0 held_brake=none held_was='' held_mode='' held_told=''
  held_kept=none
  if [ -e "$HOLD_IN_MEMORY" ]; then
    held_kept=memory held_file=$HOLD_IN_MEMORY
  elif [ -e "$HOLD" ]; then
    held_kept=disk held_file=$HOLD
  else
    return 1
  fi
  # A pipe would be waited for, and no hold of ours is as long.
  [ -f "$held_file" ] || return 0
  held_text=$(head -c 32768 "$held_file" 2>/dev/null | tr -d '\000')
  while IFS= read -r line; do
    value=${line#*=}
    case $line in # S5
      '#'*) ;;
      action=*) held_action=$value ;;
      environment=*) held_environment=$value ;;
      by=*) held_by=$value ;;
      reason=*) held_reason=$value ;;
      since=*) whole "$value" 0 && held_since=$number ;;
      until=*) whole "$value" 0 && held_until=$number ;;
      brake=*) case $value in mask | condition | not-executable) held_brake=$value ;; esac ;;
      was=*) held_was=$value ;;
      mode=*) case $value in *[!0-7]*) ;; *) held_mode=$value ;; esac ;;
      told=*) held_told="$held_told$value
" ;;
    esac
  done <<END
$held_text
END
  case $held_action in *[!A-Za-z0-9_.-]*) held_action= ;; esac
  case $held_environment in *[!A-Za-z0-9_.-]*) held_environment= ;; esac
  return 0
}

# hold_text: the file, for people first.
hold_text() {
  host_name=
  read -r host_name 2>/dev/null <"$R/proc/sys/kernel/hostname" || read -r host_name 2>/dev/null <"$R/etc/hostname" || host_name=$(uname -n)
  cat <<END
# $service on this host is HELD: it was stopped on purpose and is meant to stay stopped.
#   who:    $held_by
#   why:    $held_reason
#   since:  $(readable "$held_since")
#   due:    $(readable "$held_until"); nothing lifts it by itself
# To start it again, from where rollout runs:
#   osqueryd start --host ${host_name%%.*}
# Or by hand, as root on this host:
$(by_hand)
#   rm -f $HOLD $HOLD_IN_MEMORY
$(start_by_hand)
action=$held_action
environment=$held_environment
by=$held_by
reason=$held_reason
since=$held_since
until=$held_until
brake=$held_brake
was=$held_was
mode=$held_mode
END
  printf '%s' "$held_told" | sed -e '/^$/d' -e 's/^/told=/'
}

# The commands that take the brake off.
by_hand() {
  case $held_brake in
    mask)
      # A mask in memory is no matter of the first one; nobody knows here which of them will be set.
      case $held_was in masked*) was_masked='   (it was masked before: ask why)' ;; *) was_masked= ;; esac
      echo "#   systemctl unmask $service; systemctl unmask --runtime $service$was_masked"
      ;;
    condition) echo "#   rm -f $UNITS/$service.service.d/$DROP_IN $R/run/systemd/system/$service.service.d/$DROP_IN" ;;
    not-executable) echo "#   chmod ${held_mode:-755} /etc/init.d/$service" ;;
  esac
  [ -z "$held_told" ] || printf '%s' "$held_told" | sed -e '/^$/d' -e 's/^/#   (and tell this one that it may start it again: /' -e 's/$/)/'
}

start_by_hand() {
  if [ "$init" = sysvinit ]; then
    echo "#   service $service start"
  else
    echo "#   systemctl daemon-reload; systemctl reset-failed $service; systemctl start $service"
  fi
}

# readable MS
readable() {
  date -u -d "@$(($1 / 1000))" '+%Y-%m-%d %H:%M UTC' 2>/dev/null || date -u -r "$(($1 / 1000))" '+%Y-%m-%d %H:%M UTC' 2>/dev/null || echo "$1 ms since 1970"
}

# keep_hold: writes held_* down, to the disk or else to memory; $held_kept says where, and it fails where neither took it.
keep_hold() {
  hold_now=$(hold_text)
  # Into a folder of that name the file would be moved, and no start could take it away.
  [ ! -d "$HOLD" ] || rm -rf "$HOLD"
  [ ! -d "$HOLD_IN_MEMORY" ] || rm -rf "$HOLD_IN_MEMORY"
  if durable "$HOLD" "$hold_now" 2>/dev/null; then
    held_kept=disk
    rm -f "$HOLD_IN_MEMORY" 2>/dev/null
  elif durable "$HOLD_IN_MEMORY" "$hold_now" 2>/dev/null; then
    held_kept=memory
  else
    held_kept=none
    return 1
  fi
}

# write_hold: the hold with the terms of this order, and the brake that will be set; what was before stays as it was (S2, S4).
write_hold() {
  read_hold || :
  [ -n "$held_was$held_mode" ] || was_before
  held_action=$hold_action held_environment=$hold_environment held_by=$hold_by held_reason=$hold_reason
  held_since=$hold_since held_until=$hold_until
  [ "$held_brake" != none ] || choose_brake
  if keep_hold; then
    case $held_kept in
      disk) emit hold true did written kept disk ;;
      *) emit hold true did written kept memory message "the disk took no file ($(free_kib "$STATE") KiB free): a reboot forgets this hold" ;;
    esac
  else
    emit hold false did none kept none message "neither $STATE nor $R/run/rollout took the hold: nothing records it on this host"
  fi
}

# S4.
was_before() {
  held_was=${unit_file:-none}
  if is_masked "$UNITS"; then held_was=masked; fi
  [ "$init" = sysvinit ] || return 0
  held_mode=$(stat -c %a "$R/etc/init.d/$service" 2>/dev/null || stat -f %Lp "$R/etc/init.d/$service" 2>/dev/null)
}

is_masked() {
  [ -L "$1/$service.service" ] && [ ! -f "$1/$service.service" ] && [ "$(readlink "$1/$service.service")" = /dev/null ]
}

# choose_brake: into $held_brake. A unit file that lies in /etc itself leaves no place for a mask.
choose_brake() {
  held_brake=$brake
  if [ "$init" = sysvinit ]; then
    [ "$brake" = none ] || held_brake=not-executable
  elif [ "$brake" = mask ] && [ -f "$UNITS/$service.service" ]; then
    held_brake=condition
  fi
}

# set_brake: as $held_brake says; without a reload, which would take TimeoutStopSec and KillMode from a unit that still runs. Needs
# write_hold before it. Where the hold is only in memory, so is the brake: a reboot forgets both.
set_brake() {
  wanted_brake=$held_brake
  case $held_brake in
    mask) set_mask || { held_brake=condition && set_condition; } || held_brake=none ;;
    condition) set_condition || held_brake=none ;;
    not-executable) set_mode || held_brake=none ;;
    *)
      emit brake true did none brake none
      return 0
      ;;
  esac
  if [ "$held_brake" = none ]; then
    emit brake false did none brake none message "could not set the brake ($wanted_brake): who starts $service next is not kept from it: ${trouble:-no reason given}"
  else
    emit brake true did "$did" brake "$held_brake" ${trouble:+message "$trouble"}
  fi
  # Killed before this, the hold names a brake that is looked for in vain, which harms nobody.
  if [ "$held_brake" != "$wanted_brake" ] && [ "$held_kept" != none ]; then keep_hold || :; fi
}

set_mask() {
  did=kept trouble=
  if is_masked "$UNITS"; then return 0; fi
  did='set'
  [ ! -f "$UNITS/$service.service" ] || return 1
  if [ "$held_kept" = disk ]; then
    trouble=$(mask '' 2>&1) && trouble='' && return 0
  fi
  trouble=$(mask --runtime 2>&1) && trouble='masked in memory: a reboot forgets it'
}

# mask [--runtime]: what systemctl makes of it is a link (S9).
mask() {
  place=$UNITS
  [ -z "$1" ] || place=$R/run/systemd/system
  if [ -n "$mute" ]; then
    mkdir -p "$place" && ln -s /dev/null "$place/$service.service"
  else
    # shellcheck disable=SC2086
    ctl mask -q --no-reload $1 "$service.service"
  fi
}

set_condition() {
  did=kept trouble=
  [ ! -f "$UNITS/$service.service.d/$DROP_IN" ] || return 0
  did='set'
  if [ "$held_kept" = disk ]; then
    write_condition "$UNITS" && return 0
    trouble='the drop-in is in memory: a reboot forgets it'
  fi
  [ ! -f "$R/run/systemd/system/$service.service.d/$DROP_IN" ] || return 0
  write_condition "$R/run/systemd/system"
}

# write_condition FOLDER: as long as the hold is there, a start does nothing and is no error.
write_condition() {
  durable "$1/$service.service.d/$DROP_IN" "# $service is HELD: see $HOLD (or $HOLD_IN_MEMORY) for who, why and when it is due.
# To lift it: osqueryd start --host HOST, or by hand what that file says. Without that file this one does nothing:
# rm -f $1/$service.service.d/$DROP_IN; systemctl daemon-reload
[Unit]
ConditionPathExists=!/var/lib/rollout/hold
ConditionPathExists=!/run/rollout/hold" 2>/dev/null
}

set_mode() {
  did=kept trouble=
  [ -x "$R/etc/init.d/$service" ] || return 0
  did='set'
  trouble=$(chmod a-x "$R/etc/init.d/$service" 2>&1)
}

# release_brake: takes it off and leaves what was before (S4). Needs read_hold, which may have found none.
release_brake() {
  did=none off=$held_brake
  if [ "$init" = sysvinit ]; then
    if [ "$held_brake" = not-executable ] && [ ! -x "$R/etc/init.d/$service" ]; then
      chmod "${held_mode:-755}" "$R/etc/init.d/$service" && did=released
    fi
  else
    for folder in "$UNITS" "$R/run/systemd/system"; do drop_condition "$folder"; done
    if [ "$held_brake" = mask ]; then
      case $held_was in
        masked) ;;
        masked-runtime) ! is_masked "$UNITS" || unmask '' ;;
        *)
          ! is_masked "$UNITS" || unmask ''
          ! is_masked "$R/run/systemd/system" || unmask --runtime
          ;;
      esac
    fi
  fi
  emit brake true did "$did" brake "$off"
}

# unmask [--runtime]: one of the two places.
unmask() {
  # shellcheck disable=SC2086
  trouble=$(ctl unmask -q --no-reload $1 "$service.service" 2>&1) ||
    refuse brake 78 "cannot unmask $service, which stays held: $trouble"
  did=released
}

drop_condition() {
  conf=$1/$service.service.d/$DROP_IN
  # Left by one that was killed.
  [ ! -e "$conf.tmp" ] || { rm -f "$conf.tmp" && rmdir "${conf%/*}" 2>/dev/null; }
  [ -e "$conf" ] || return 0
  rm -f "$conf"
  rmdir "${conf%/*}" 2>/dev/null
  did=released off=condition
}

# lift_hold: both places. Last of what a start undoes (S2).
lift_hold() {
  did=none
  if is_held; then
    rm -rf "$HOLD" "$HOLD_IN_MEMORY"
    did=lifted
    ! is_held || refuse hold 79 "$HOLD cannot be removed: $service stays held"
  fi
  emit hold true did "$did" kept none
}

# reload: so that systemd knows of the brake. Only once nothing runs, or before a start.
reload() {
  [ "$init" = sysvinit ] || [ -n "$mute" ] || ctl daemon-reload >&2
}

stop_once() {
  if [ "$init" = systemd ]; then
    limited "$STOP_LIMIT_S" systemctl stop "$service.service" >&2
    return
  fi
  script_stop
}

# An init script that the brake made plain text must be run once more to stop what got past it.
script_stop() {
  script=$R/etc/init.d/$service
  braked=
  if [ ! -x "$script" ]; then
    braked=yes
    chmod u+x "$script"
  fi
  (
    trap - HUP PIPE
    limited "$STOP_LIMIT_S" service "$service" stop >&2
    exit "$?"
  )
  stopped_with=$?
  [ -z "$braked" ] || chmod a-x "$script"
  return "$stopped_with"
}

# stop_agent: nothing of the service runs afterwards, as far as it can be stopped; what is left is told by prove_gone. Safe to repeat.
stop_agent() {
  read_service || :
  was_active=$active
  did=nothing
  agent_processes
  if [ -n "$mute" ]; then
    [ -z "$agents" ] || did=killed
    [ -n "$R" ] || with_heartbeat stop end_agent
    if ! is_heard; then
      emit stop true did "$did"
      say_mute
      return 0
    fi
  fi
  if [ "$init" = systemd ] || [ -n "$agents" ]; then with_heartbeat stop stop_once; else code=0; fi
  case $did:$was_active in killed:*) ;; *:inactive | *:failed) [ -z "$agents" ] || did=stopped ;; *) did=stopped ;; esac
  read_service || :
  [ "$result" != timeout ] || [ "$did" = nothing ] || did=killed
  # A leader that was stopped and has left others behind, a unit that does not end.
  if [ "$code" -ne 0 ] || ! is_down; then
    kill_agent
    did=killed
  fi
  agent_processes
  for one in $agents; do
    in_unit "$one" || continue
    kill_agent
    did=killed
    break
  done
  emit stop true did "$did"
  [ -z "$mute" ] || say_mute
}

is_down() {
  case $active in inactive | failed | '') return 0 ;; *) return 1 ;; esac
}

say_mute() {
  [ -z "${said_mute:-}" ] || return 0
  said_mute=yes
  emit note true message "systemd does not answer on this host: $service was ended by signals, and systemd may start it again when it answers; stop it again then"
}

# end_agent: by signals, what is of the service by its cgroup. As long as osquery's unit gives it.
end_agent() {
  for signal in TERM KILL; do
    own=
    pid=0
    for one in $agents; do ! in_unit "$one" || own="$own $one"; done
    [ -n "$own" ] || return 0
    # shellcheck disable=SC2086
    kill "-$signal" $own 2>/dev/null
    wait_gone 75
  done
}

# kill_agent: what does not end by itself.
kill_agent() {
  if [ "$init" = systemd ] && [ -z "$R" ] && [ -n "$mute" ]; then
    end_agent
  elif [ "$init" = systemd ]; then
    limited 10 systemctl kill -s KILL "$service.service" >&2
    is_down || limited 10 systemctl stop "$service.service" >&2
  elif [ -z "$R" ]; then
    # Some scripts come back before the daemon has ended.
    wait_gone 50
    # shellcheck disable=SC2086
    [ -z "$agents" ] || kill -KILL $agents
  fi
  read_service || :
}

# wait_gone TIMES: until no process of the agent is left, so many fifths of a second at most.
wait_gone() {
  patience=$1
  agent_processes
  while [ -n "$agents" ] && [ "$patience" -gt 0 ]; do
    [ $((patience % 25)) -ne 1 ] || emit working true on processes left "$agents"
    patience=$((patience - 1))
    sleep 0.2
    agent_processes
  done
}

# stay_down: what was started between the stop and the reload is stopped again, up to three times.
stay_down() {
  again=0
  while :; do
    read_service || :
    is_down && return 0
    [ "$again" -lt 3 ] || return 0
    again=$((again + 1))
    emit working true on stop again "$again" state "$active/$sub"
    stop_agent
  done
}

# prove_gone: ends the program with 80 while a process of the agent is left (S1). Needs a stop before it.
prove_gone() {
  wait_gone 10
  read_service || :
  if [ -n "$agents" ]; then
    theirs=
    for one in $agents; do in_unit "$one" || theirs="; not all are the service's: end those by hand, as systemctl does not know of them"; done
    # shellcheck disable=SC2086
    refuse proof 80 "$service is stopped (${active:-unknown}), but of $executable there still runs: $(describe $agents)$theirs"
  fi
  is_down || refuse proof 80 "$service is still ${active:-unknown}/$sub after $STOP_LIMIT_S s and a KILL: $(unit_lines)"
}

# start_agent: starts what does not run; ends the program with 78 where that fails. $1: restart, to restart what runs.
start_agent() {
  read_service || :
  if [ "$init" = systemd ]; then
    case $load:$unit_file in
      masked:* | *:masked*) refuse start 78 "$service is masked, and by no hold of this tool: ask who did it, then systemctl unmask $service" ;;
      not-found:*) refuse start 78 "there is no unit $service.service on this host: is $package installed?" ;;
    esac
  elif [ ! -x "$R/etc/init.d/$service" ]; then
    refuse start 78 "/etc/init.d/$service is not executable, and by no hold of this tool: chmod a+x /etc/init.d/$service"
  fi
  if [ "$active" = active ] && [ "${1:-}" != restart ]; then
    emit start true did nothing
    return 0
  fi
  [ "$init" = sysvinit ] || ctl reset-failed "$service.service" >/dev/null 2>&1
  with_heartbeat start start_once "${1:-start}"
  [ "$code" -eq 0 ] || calm_start
  case ${1:-start} in restart) emit start true did restarted ;; *) emit start true did started ;; esac
}

start_once() {
  if [ "$init" = systemd ]; then
    limited "$START_LIMIT_S" systemctl "$1" "$service.service" >&2
    return
  fi
  (
    trap - HUP PIPE # a daemon keeps what it is born with
    limited "$START_LIMIT_S" service "$service" "$1" >&2
    exit "$?"
  )
}

# A start that was called off by a stop is no failure of the agent.
calm_start() {
  read_service || :
  ! is_held || left_held 100
  [ "$active" != active ] || return 0
  refuse start 78 "starting $service failed: $(unit_lines)"
}

# left_held TIMES: the last word where a hold came meanwhile, or was there all the time; a stop may still be under way, and is waited
# for as wait_gone does. Comes back where the hold was lifted again.
left_held() {
  release_locks
  wait_gone "$1"
  is_held || return 0
  read_service || :
  if [ -n "$agents" ]; then
    # shellcheck disable=SC2086
    refuse proof 80 "$service is held and yet runs: $(describe $agents); stop it again, or start it to lift the hold"
  fi
  emit_status
  say_proof left-held
  finish 0
}

# prove_up: one process stays for prove_ms (H8: or a hold comes, which ends the program well). The locks are given back before it.
prove_up() {
  release_locks
  read_service || :
  first_pid=0 renewed=0 left=$prove_ms
  while :; do
    wait_calm
    ! is_held || left_held 100
    case $active in
      active) [ "$pid" -gt 0 ] || not_up 'it has no main process' ;;
      inactive)
        [ "$first_pid" -ne 0 ] || not_up 'it ended at once, or a condition of its unit is not met'
        refuse proof 79 "$service ran and is now stopped (exit status $exit_status): somebody has stopped it, or it ended by itself"
        ;;
      *) not_up "it is ${active:-unknown}/$sub" ;;
    esac
    if [ "$first_pid" -eq 0 ]; then
      first_pid=$pid first_restarts=$restarts
    elif [ "$restarts" -gt "$first_restarts" ]; then
      not_up "systemd restarted it (process $first_pid became $pid)"
    elif [ "$pid" -ne "$first_pid" ]; then
      renewed=$((renewed + 1))
      [ "$renewed" -le 3 ] || not_up 'its process changes again and again'
      first_pid=$pid first_restarts=$restarts left=$prove_ms
    fi
    [ "$left" -gt 0 ] || break
    sleep 0.25
    left=$((left - 250))
    [ $((left % 5000)) -ge 250 ] || [ "$left" -le 0 ] || emit working true on proof 'msLeft#' "$left"
    read_service || :
  done
}

not_up() {
  ! is_held || left_held 100
  refuse proof 78 "$service did not stay up: $1: $(unit_lines)"
}

# As calm of lib.sh, by what is read here.
wait_calm() {
  patience=80
  while [ "$patience" -gt 0 ]; do
    case $active/$sub in
      */auto-restart*) return 0 ;;
      deactivating/* | activating/* | reloading/* | refreshing/*) ;;
      *) return 0 ;;
    esac
    [ $((patience % 20)) -ne 0 ] || emit working true on service state "$active/$sub"
    patience=$((patience - 1))
    sleep 0.25
    read_service || :
  done
}

# say_proof SERVICE: the last word of a program that changes the service.
say_proof() {
  read_package
  held=false
  ! is_held || held=true
  emit proof true service "$1" packageVersion "$package_version" 'mainPid#' "$pid" 'restarts#' "$restarts" 'held#' "$held"
}

# detect_starters: $there has what could start the agent again, $starters what would: not the ones that are told otherwise. One line each.
#   chef-client         its unit or timer (or cinc's) active or enabled, /etc/cron.d/chef* or cinc*, or a process of that name; told
#                       otherwise where `chef-client-is-enabled`, GitLab's shim, ends with an error
#   unattended-upgrades its program there and apt-daily-upgrade.timer active or enabled
#   google-os-config    google-osconfig-agent.service active
#   vendor-updater      units and cron files by the names of osquery's packagers: *osquery*update*, *osquery*upgrade*, *uptycs*,
#                       kolide's launcher, fleet's orbit; but not the agent's own unit
#   unit:NAME           active or enabled; those that were asked for, and timers, sockets and paths that activate the service
detect_starters() {
  there='' starters='' units_on='' units_active=''
  upgrade_timer=
  [ ! -x "$R/usr/bin/unattended-upgrade" ] || upgrade_timer=apt-daily-upgrade.timer
  asked_units=
  asked_starters=$starters_asked
  for name in $triggers; do
    case $name in *[!A-Za-z0-9:_.@-]*) ;; *) asked_starters="$asked_starters unit:$name" ;; esac
  done
  for name in $asked_starters; do
    case $name in
      unit:*.*) asked_units="$asked_units ${name#unit:}" ;;
      unit:*) asked_units="$asked_units ${name#unit:}.service" ;;
    esac
  done
  vendor_units
  chef_units='chef-client.service chef-client.timer cinc-client.service cinc-client.timer'
  # shellcheck disable=SC2086
  [ "$init" = sysvinit ] || read_units $chef_units google-osconfig-agent.service $upgrade_timer $vendor_found $asked_units
  # shellcheck disable=SC2086
  if any_unit "$chef_units" || any_file "$R"/etc/cron.d/chef* "$R"/etc/cron.d/cinc* || runs_chef; then
    there=chef-client
    if ! command -v chef-client-is-enabled >/dev/null 2>&1 || limited 5 chef-client-is-enabled >/dev/null 2>&1; then starters=chef-client; fi
  fi
  ! any_unit "$upgrade_timer" || would_start unattended-upgrades
  case $units_active in *' google-osconfig-agent.service '*) would_start google-os-config ;; esac
  if any_unit "$vendor_found" || any_file "$R"/etc/cron.*/*osquery*update* "$R"/etc/cron.*/*osquery*upgrade* "$R"/etc/cron.*/*uptycs*; then
    would_start vendor-updater
  fi
  for asked_one in $asked_starters; do
    case $asked_one in
      unit:*.*) ! any_unit "${asked_one#unit:}" || would_start "$asked_one" ;;
      unit:*) ! any_unit "${asked_one#unit:}.service" || would_start "$asked_one" ;;
    esac
  done
}

would_start() {
  case "
$there
" in *"
$1
"*) return 0 ;; esac
  there="$there${there:+
}$1" starters="$starters${starters:+
}$1"
}

# vendor_units: names into $vendor_found.
vendor_units() {
  vendor_found=
  for file in "$R"/etc/systemd/system/*osquery*update* "$R"/etc/systemd/system/*osquery*upgrade* "$R"/etc/systemd/system/*uptycs* \
    "$R"/etc/systemd/system/launcher.kolide* "$R"/etc/systemd/system/kolide-launcher* "$R"/etc/systemd/system/orbit.service \
    "$R"/lib/systemd/system/*osquery*update* "$R"/lib/systemd/system/*osquery*upgrade* "$R"/lib/systemd/system/*uptycs* \
    "$R"/lib/systemd/system/launcher.kolide* "$R"/lib/systemd/system/kolide-launcher* "$R"/lib/systemd/system/orbit.service; do
    name=${file##*/}
    case $name in "$service".* | *[!A-Za-z0-9:_.@-]*) continue ;; *.service | *.timer) [ ! -f "$file" ] || vendor_found="$vendor_found $name" ;; esac
  done
}

# read_units NAME...: those that are active or enabled into $units_on, those that are active into $units_active; one call for all.
read_units() {
  units_on=' ' units_active=' '
  shown=
  [ -n "$mute" ] || shown=$(limited "$ANSWER_LIMIT_S" systemctl show -p Id,ActiveState,UnitFileState "$@" 2>/dev/null)
  unit_on='' unit_active=''
  while read -r line; do
    case $line in
      ActiveState=active | ActiveState=activating | ActiveState=reloading) unit_on=yes unit_active=yes ;;
      UnitFileState=enabled | UnitFileState=enabled-runtime) unit_on=yes ;;
      '')
        # They come in the order in which they were asked for; an alias tells another name.
        [ -z "$unit_on" ] || units_on="$units_on$1 "
        [ -z "$unit_active" ] || units_active="$units_active$1 "
        unit_on='' unit_active=''
        [ $# -eq 0 ] || shift
        ;;
    esac
  done <<END
$shown

END
}

# any_unit NAMES: whether one of them is active or enabled.
any_unit() {
  for name in $1; do
    case $units_on in *" $name "*) return 0 ;; esac
  done
  return 1
}

any_file() {
  for file in "$@"; do
    [ ! -f "$file" ] || return 0
  done
  return 1
}

runs_chef() {
  grep -qsxE 'chef-client|cinc-client' "$R"/proc/[0-9]*/comm
}

# tell_controllers: each in its turn, with its own time. One that fails is told of and stops nothing (S3). Afterwards $told_now has
# those that were told, one line each. An undo also goes to those that the hold names, which may no longer be found (held_told).
tell_controllers() {
  told_now=
  turn=0
  while [ "$turn" -lt "$controllers" ]; do
    turn=$((turn + 1))
    eval "name=\$controller_name_$turn when=\$controller_when_$turn limit_s=\$controller_limit_$turn words=\$controller_words_$turn"
    if ! is_concerned; then
      emit controller true name "$name" did absent 'exitCode#' null
      continue
    fi
    set --
    at=0
    while [ "$at" -lt "$words" ]; do
      at=$((at + 1))
      eval "set -- \"\$@\" \"\$controller_word_${turn}_$at\""
    done
    [ $# -gt 0 ] || continue
    this=$name
    with_heartbeat controller command_quietly "$limit_s" "$@"
    said=
    [ ! -r "$said_file" ] || said=$(head -c 300 "$said_file" 2>/dev/null)
    case $code in 124 | 137) said="no end after $limit_s s; $said" ;; 127) said="no such command: $1; $said" ;; esac
    if [ "$code" -eq 0 ]; then
      told_now="$told_now$this
"
      emit controller true name "$this" did told 'exitCode#' 0 message "$said"
    else
      emit controller false name "$this" did told 'exitCode#' "$code" message "$said"
    fi
  done
  rm -f "${said_file:-}"
}

# Whether the controller $name is to be told.
is_concerned() {
  [ "$when" != always ] || return 0
  case "
$there
" in *"
$when
"*) return 0 ;; esac
  case "
${held_told:-}" in *"
$name
"*) return 0 ;; esac
  return 1
}

# Into a file, since a daemon that it starts would keep a pipe open for ever.
command_quietly() {
  said_file=$R/run/rollout/controller.said
  (: >"$said_file") 2>/dev/null || said_file=/dev/null
  (
    trap - HUP PIPE
    limited "$@" >"$said_file" 2>&1
    exit "$?"
  )
}

# emit_status: the `status` step, as AgentStatus. Changes nothing. Needs detect_init; $just_read where that was a moment ago.
emit_status() {
  [ -n "${just_read:-}" ] || read_service || :
  agent_processes
  read_package
  [ "$pid" -ne 0 ] || cpu_ns='' mem_bytes=''
  read_measures
  running_version='' runs_installed=null
  [ "$pid" -eq 0 ] || read_version
  strays=
  for one in $agents; do
    [ "$init" = systemd ] || break
    in_unit "$one" || strays="$strays${strays:+,}$one"
  done
  [ "$init" = systemd ] || script_strays
  detect_starters
  busy=false
  if lock_is_held || { [ -z "${holds_service_lock:-}" ] && service_lock_is_held; }; then busy=true; fi
  hold_json
  json_list "$starters"
  emit status true init "$init" activeState "$active" subState "$sub" unitFileState "$unit_file" packageState "$package_state" \
    packageVersion "$package_version" runningVersion "$running_version" 'runsInstalled#' "$runs_installed" 'mainPid#' "$pid" \
    'strays#' "[$strays]" 'uptimeMs#' "${up_ms:-null}" 'restarts#' "$restarts" 'exitStatus#' "$exit_status" \
    'cpuPercent#' "${cpu_percent:-null}" cpuOver "$cpu_over" 'memoryBytes#' "${mem_bytes:-null}" 'hold#' "$hold_now" \
    'starters#' "[$items]" 'busy#' "$busy" bootId "$boot_id"
}

# By sysvinit: who descends from another leader than the main one.
script_strays() {
  for one in $agents; do
    [ "$one" != "$pid" ] || continue
    read_stat "$one" || continue
    case " $agents " in *" $parent "*) ;; *) strays="$strays${strays:+,}$one" ;; esac
  done
}

# What the running executable says it is, with a limit: it is the agent's own code, and may be what is broken.
read_version() {
  exe=$R/proc/$pid/exe
  said=$(limited 5 "$exe" --version 2>/dev/null | head -c 200)
  case $said in *' version '*) running_version=${said#* version } ;; esac
  running_version=${running_version%%[!A-Za-z0-9.+:~_-]*}
  runs_installed=false
  # shellcheck disable=SC3013
  if [ "$exe" -ef "$R$executable" ]; then runs_installed=true; elif [ -n "$R" ] && cmp -s "$exe" "$R$executable"; then runs_installed=true; fi
}

# read_measures: $up_ms, $cpu_percent (tenths), $cpu_over, $mem_bytes.
read_measures() {
  up_ms='' cpu_percent='' cpu_over=lifetime
  [ "${sample_ms:-0}" -eq 0 ] || cpu_over=sample
  [ -n "$agents" ] || [ "$pid" -ne 0 ] || return 0
  read_now
  main=$pid
  [ "$main" -ne 0 ] || main=${agents%% *}
  if [ "$now_ms" -gt 0 ] && read_stat "$main"; then
    up_ms=$((now_ms - began * 10))
  elif [ -n "$began_us" ] && [ "$now_ms" -gt 0 ]; then
    up_ms=$((now_ms - began_us / 1000))
  fi
  if [ -n "$up_ms" ] && [ "$up_ms" -lt 0 ]; then up_ms=0; fi
  # A cgroup of v1 that systemd has lost sight of in a reload counts nothing.
  [ "${mem_bytes:-0}" -ne 0 ] || sum_memory
  over_ms=$up_ms
  if [ "$cpu_over" = sample ]; then
    read_cpu
    first_ms=$cpu_ms from_ms=$now_ms
    sleep "$((sample_ms / 1000)).$(printf '%03d' $((sample_ms % 1000)))"
    read_now
    read_cpu
    over_ms=$((now_ms - from_ms))
    cpu_ms=$((cpu_ms - first_ms))
    [ "$cpu_ms" -ge 0 ] || cpu_ms=0
  elif [ -n "$cpu_ns" ]; then
    cpu_ms=$((cpu_ns / 1000000))
  else
    sum_ticks
  fi
  [ "${over_ms:-0}" -gt 0 ] || return 0
  tenths=$((cpu_ms * 1000 / over_ms))
  cpu_percent=$((tenths / 10)).$((tenths % 10))
}

# Ms since boot into $now_ms, in steps of 10.
read_now() {
  now_ms=0 up=
  read -r up _ 2>/dev/null <"$R/proc/uptime" || return 0
  hundredths=${up#*.}
  now_ms=$((${up%.*} * 1000 + (1${hundredths} - 100) * 10))
}

# read_cpu: CPU that the service has had, ms, into $cpu_ms: of its cgroup by v2 or v1, whichever counts it, else of its processes.
read_cpu() {
  cpu_ms=
  if [ -n "$cgroup" ]; then
    for file in "$R/sys/fs/cgroup$cgroup/cpu.stat" "$R/sys/fs/cgroup/unified$cgroup/cpu.stat"; do
      [ -r "$file" ] || continue
      while read -r key value; do
        [ "$key" != usage_usec ] || cpu_ms=$((value / 1000))
      done 2>/dev/null <"$file"
      [ -z "$cpu_ms" ] || return 0
    done
    for file in "$R/sys/fs/cgroup/cpuacct$cgroup/cpuacct.usage" "$R/sys/fs/cgroup/cpu,cpuacct$cgroup/cpuacct.usage"; do
      read -r value 2>/dev/null <"$file" || continue
      cpu_ms=$((value / 1000000))
      return 0
    done
  fi
  sum_ticks
}

# A tick is 10 ms on every machine that osquery is built for (USER_HZ).
sum_ticks() {
  cpu_ms=0
  for one in $agents; do
    ! read_stat "$one" || cpu_ms=$((cpu_ms + ticks * 10))
  done
}

sum_memory() {
  kib=0
  for one in $agents; do
    while read -r key value _; do
      [ "$key" != VmRSS: ] || kib=$((kib + value))
    done 2>/dev/null <"$R/proc/$one/status"
  done
  [ "$kib" -eq 0 ] || mem_bytes=$((kib * 1024))
}

# The hold as HostHold into $hold_now, or null.
hold_json() {
  hold_now=null
  read_hold || return 0
  hold_now="{\"actionId\":\"$held_action\",\"environment\":\"$held_environment\""
  json_text "$held_by"
  hold_now="$hold_now,\"by\":$quoted"
  json_text "$held_reason"
  hold_now="$hold_now,\"reason\":$quoted,\"since\":$held_since,\"until\":$held_until,\"brake\":\"$held_brake\",\"kept\":\"$held_kept\""
  json_list "$held_told"
  hold_now="$hold_now,\"told\":[$items]}"
}

# json_list LINES: into $items.
json_list() {
  items=
  while IFS= read -r line; do
    [ -n "$line" ] || continue
    json_text "$line"
    items="$items${items:+,}$quoted"
  done <<END
$1
END
}
