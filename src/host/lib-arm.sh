# shellcheck shell=sh disable=SC2034,SC2154,SC2317
# The way back that a host takes by itself: armed before an upgrade installs anything, called off by `confirm`, or taken when its time
# has come. Behind lib.sh, lib-change.sh and lib-armed.sh. Owns /var/lib/rollout/revert and the units rollout-revert.* on the host.
#
# A1  The state file is the truth, replaced as a whole and durably, only under the host's lock. Timer, guard and program follow it: who
#     finds them without it, or beside an end, takes them away. Whoever confirms writes that before the timer goes, and whoever goes back
#     writes that before the package is touched; both look at the state under the lock first. So there is one end, and never both.
# A2  Before anything is installed the state is durable and the timer runs; where that cannot be, nothing is installed.
# A3  Real unit files, on the disk and enabled. What systemd-run makes lies in /run: a reboot would lose it, and with it the way back.
# A4  Within a boot the time since the boot decides, whatever the clock is set to. After a reboot it is what remains by the clock, never
#     more than was left in the boot before; and no sooner than BOOT_PAUSE_S after it, so that the host is up.
# A5  What the timer runs is the very text of revert.sh, kept here with its parameters: no network, no metadata server and no
#     controller is asked, no fence either, since nobody may be left to take over. So a copy of an armed disk goes back too: nobody has
#     proven the version there, and nobody can confirm it.
# A6  What failed is tried again, every minute and later every five, until it works, is superseded, or somebody has put another
#     version there.
# A7  One package at a time: an arming is replaced by the next order for its package, and no other order touches it.
UNITS=$R/etc/systemd/system
TIMER=rollout-revert.timer
WANTED_BY=$UNITS/timers.target.wants
THIS_BOOT=$R/run/systemd/system/$TIMER.d
BOOT_PAUSE_S=75
RETRY_S=60
verb='' revert_after_s='' disarm='' guard_cpu='' guard_memory=''

own_parameter() {
  case $1 in
    verb) check_word "$1" "$2" confirm renew && verb=$2 ;;
    revert_after_s) check "$1" "$2" '[!0-9]' && revert_after_s=$2 ;;
    disarm) check_word "$1" "$2" after-proof after-soak && disarm=$2 ;;
    guard_cpu_percent) check "$1" "$2" '[!0-9]' && guard_cpu=$2 ;;
    guard_memory_bytes) check "$1" "$2" '[!0-9]' && guard_memory=$2 ;;
    database) check_word "$1" "$2" keep move-aside && database=$2 ;;
    database_path) check_path "$1" "$2" && database_path=$2 ;;
    *) return 1 ;;
  esac
}

# arm: A2. An arming that stands already (this order's, or one before it) is replaced by the last write here, or stays as it is.
arm() {
  [ -n "$revert_after_s" ] || return 0
  armed_before=
  if read_armed; then
    if is_anothers; then
      drop_incoming
      refuse arm 83 "nothing was installed: this host is armed for $armed_package by order $armed_order of $armed_environment, and a host can go back with one package at a time; try again when that is confirmed or has gone back"
    fi
    case $armed_state:$armed_order in *:"$order") ;; armed:* | reverting:*) armed_before=$(cat "$ARMED/state") ;; esac
  fi
  if ! try_arm; then
    read_armed || :
    case $armed_state in
      armed | reverting) resume_armed ;;
      *)
        disarm_units
        # systemd was never told of any of it.
        [ -n "$wound_up" ] || rm -rf "${THIS_BOOT:?}" "$ARMED/program"
        ;;
    esac
    drop_incoming
    refuse arm 83 "the way back could not be armed, so that nothing was installed: $arm_trouble"
  fi
  say_armed
}

# What stands in the state file is what counts again. Needs read_armed.
resume_armed() {
  read_uptime
  read_left
  armed_left_ms=$left_ms
  set_timer || :
  set_guard || :
}

try_arm() {
  wound_up=
  arm_trouble='this program was sent without the way back'
  [ -n "${rollout_shared:-}" ] && [ -n "${rollout_revert:-}" ] || return 1
  arm_trouble="$ARMED cannot be written: $(free_kib "$STATE") KiB free"
  (umask 077 && mkdir -p "$ARMED") && chmod 0700 "$ARMED" || return 1
  # Both texts are what the whole upgrade is sent as (programs.ts); P1 there.
  durable "$ARMED/program" "{
$rollout_shared
$rollout_revert
}" || return 1
  rm -f "$ARMED/note"
  read_clock
  read_uptime
  armed_state=armed armed_order=$order armed_environment=$environment armed_length_s=$revert_after_s armed_boot=$boot_id
  armed_failures=0 armed_failure='' armed_not_before=0 armed_ended_at='' armed_service='' armed_version='' armed_sha256='' armed_note=''
  armed_guard_cpu=$guard_cpu armed_guard_memory=$guard_memory armed_at=${clock_ms:-0}
  armed_by=${SUDO_USER:-root}
  case $armed_by in *[!A-Za-z0-9_.@-]*) armed_by=unknown ;; esac
  deadline
  armed_parameters="package=$package
service=$service
executable=$executable
order=$order
environment=$environment
fence=$fence
target_sha256=$target_sha256
target_size=$target_size
target_version=$target_version
target_exe=$target_exe
target_exe_sha256=$target_exe_sha256
previous_sha256=$previous_sha256
previous_size=$previous_size
previous_version=$previous_version
previous_exe=$previous_exe
previous_exe_sha256=$previous_exe_sha256
prove_ms=$prove_ms
lock_timeout_s=$lock_timeout_s
database=$database
${database_path:+database_path=$database_path
}"
  arm_trouble="$UNITS cannot be written"
  write_units || return 1
  arm_trouble="systemd does not take $TIMER"
  set_timer || return 1
  wound_up=yes
  arm_trouble="the guard of $service could not be set"
  set_guard || return 1
  # The last, as what follows from it: a host that could not be armed is not.
  arm_trouble="$ARMED cannot be written: $(free_kib "$STATE") KiB free"
  write_armed
}

# deadline: $revert_after_s from now on. Needs read_clock and read_uptime.
deadline() {
  armed_length_s=$revert_after_s
  armed_left_ms=$((revert_after_s * 1000))
  armed_until_at=$((${clock_ms:-0} + armed_left_ms))
  armed_until_up=$((up_ms + armed_left_ms))
}

# An end keeps no parameters: what they name is needed no more.
write_armed() {
  kept_parameters=
  case $armed_state in armed | reverting) kept_parameters=$(printf '%s' "$armed_parameters" | sed 's/^/parameter=/') ;; esac
  durable "$ARMED/state" "state=$armed_state
order=$armed_order
environment=$armed_environment
by=$armed_by
lengthS=$armed_length_s
at=$armed_at
untilAt=$armed_until_at
untilUp=$armed_until_up
leftMs=$armed_left_ms
boot=$armed_boot
failures=$armed_failures
failure=$armed_failure
notBefore=$armed_not_before
endedAt=$armed_ended_at
service=$armed_service
version=$armed_version
sha256=$armed_sha256
note=$armed_note
guardCpu=$armed_guard_cpu
guardMemory=$armed_guard_memory
$kept_parameters"
}

# As write_armed; a full disk may be full of the version that is to go, or is there already.
insist_armed() {
  write_armed || { spare_room && write_armed; }
}

# Not of an upgrade that still needs it, and never what an armed host goes back with.
spare_room() {
  [ "$program" != upgrade ] || [ -n "${proven:-}" ] || return 1
  [ -n "$target_sha256" ] && is_kept "$target_sha256" && ! is_way_back "$target_sha256" && rm -f "$PACKAGES/$target_sha256.deb"
}

# A3. As a boot finds it; for the boot that it is armed in set_timer adds the exact time.
write_units() {
  durable "$UNITS/rollout-revert.service" "# Written by rollout, and taken away by it. To keep the new version for good, let rollout confirm it; by hand:
#   systemctl disable --now $TIMER
[Unit]
Description=rollout: $package goes back to $previous_version unless order $order of $environment is confirmed
RequiresMountsFor=/var/lib/rollout
StartLimitIntervalSec=0
[Service]
Type=oneshot
ExecStart=/bin/sh /var/lib/rollout/revert/program fired
TimeoutStartSec=infinity
KillMode=process
OOMScoreAdjust=-500
Nice=-5
SyslogIdentifier=rollout-revert
SyslogLevel=notice
LogLevelMax=notice" && durable "$UNITS/$TIMER" "[Unit]
Description=rollout: when $package goes back to $previous_version by itself
[Timer]
OnActiveSec=${BOOT_PAUSE_S}s
OnUnitInactiveSec=${RETRY_S}s
AccuracySec=1s
[Install]
WantedBy=timers.target" && mkdir -p "$WANTED_BY" && ln -sfn "../$TIMER" "$WANTED_BY/$TIMER" && { sync "$WANTED_BY" 2>/dev/null || :; }
}

# set_timer: fires in $armed_left_ms, by systemd's monotonic clock. A reboot loses that and leaves what write_units wrote. An empty
# value takes away every time that was set, not only its own kind's.
set_timer() {
  mkdir -p "$THIS_BOOT" && printf '[Timer]\nOnActiveSec=\nOnActiveSec=%sms\nOnUnitInactiveSec=%ss\n' "$armed_left_ms" "$RETRY_S" \
    >"$THIS_BOOT/50-this-boot.conf" || return 1
  systemctl daemon-reload >&2 && systemctl restart "$TIMER" >&2 && systemctl is-active -q "$TIMER" >/dev/null
}

# disarm_units: the timer and all that belongs to it away, the guard too. After the end is durable (A1), and without a trace. Who was
# killed in between, or could not take all away (a read-only /etc, a systemd that does not answer), leaves what makes it happen again.
disarm_units() {
  if has_units || [ -d "$THIS_BOOT" ] || has_guard; then
    # Goes when systemd knows: the files alone would not tell that it still does what they said.
    mkdir -p "$THIS_BOOT" 2>/dev/null
    lift_guard || :
    # Not the service: it may be we who run in it.
    systemctl stop "$TIMER" >&2
    rm -f "$WANTED_BY/$TIMER" "$UNITS/$TIMER" "$UNITS/rollout-revert.service" "$UNITS/$TIMER.tmp" "$UNITS/rollout-revert.service.tmp"
    # Or a power cut could bring back a timer whose program is gone.
    sync "$UNITS" 2>/dev/null || :
    systemctl daemon-reload >&2 && rm -rf "${THIS_BOOT:?}"
    systemctl reset-failed rollout-revert.service >/dev/null 2>&1
  fi
  has_units || [ -d "$THIS_BOOT" ] || rm -f "$ARMED/program"
}

has_units() {
  [ -e "$UNITS/$TIMER" ] || [ -e "$UNITS/rollout-revert.service" ] || [ -L "$WANTED_BY/$TIMER" ]
}

# set_guard: limits of the unit while it is unproven, in a file of our own in /run, so that taking them off leaves whatever limits others
# have set, and a reboot has none: who finds the host armed after one sets them again. Never wider than what the unit has by itself.
set_guard() {
  ! lift_guard || systemctl daemon-reload >&2
  [ -n "$armed_guard_cpu$armed_guard_memory" ] || return 0
  limits=
  own_limits
  [ -z "$armed_guard_cpu" ] || is_narrower "$own_cpu" $((armed_guard_cpu * 10000)) || limits="CPUQuota=$armed_guard_cpu%
"
  [ -z "$armed_guard_memory" ] || is_narrower "$own_memory" "$armed_guard_memory" || limits="${limits}MemoryMax=$armed_guard_memory
"
  [ -n "$limits" ] || return 0
  mkdir -p "$R/run/systemd/system/$service.service.d" &&
    printf '# By rollout, while the version is not confirmed.\n[Service]\n%s' "$limits" >"$R/run/systemd/system/$service.service.d/$GUARD" &&
    systemctl daemon-reload >&2
}

# is_narrower OWN OURS: whether the unit has a limit of its own that is at most ours.
is_narrower() {
  [ -n "$1" ] && [ "$1" -le "$2" ]
}

# $own_cpu (microseconds a second) and $own_memory (bytes), empty where the unit has no such limit.
own_limits() {
  own_cpu='' own_memory=''
  properties=$(systemctl show "$service.service" -p CPUQuotaPerSecUSec,MemoryMax 2>/dev/null)
  while IFS='=' read -r key value; do
    case $key in
      # A length as systemd prints it: 200ms, 1.500000s, 1min 30s.
      CPUQuotaPerSecUSec)
        own_cpu=$(echo "$value" | awk '{ for (i = 1; i <= NF; i++) {
          if ($i ~ /^[0-9.]+us$/) t += $i; else if ($i ~ /^[0-9.]+ms$/) t += $i * 1000
          else if ($i ~ /^[0-9.]+min$/) t += $i * 60000000; else if ($i ~ /^[0-9.]+s$/) t += $i * 1000000; else exit }
          if (NF) printf "%d", t }')
        ;;
      MemoryMax) case $value in *[!0-9]* | ???????????????????) ;; *) own_memory=$value ;; esac ;;
    esac
  done <<END
$properties
END
}

has_guard() {
  for file in "$R"/run/systemd/system/*.service.d/"$GUARD"; do
    [ ! -e "$file" ] || return 0
  done
  return 1
}

# Fails where there was none. systemd is told by the caller.
lift_guard() {
  lifted=
  for file in "$R"/run/systemd/system/*.service.d/"$GUARD"; do
    [ -e "$file" ] || continue
    rm -f "$file"
    rmdir "${file%/*}" 2>/dev/null
    lifted=yes
  done
  [ -n "$lifted" ]
}

# end_armed STATE: durably, then the timer goes. Fails, with all as it was, where the disk takes no more.
end_armed() {
  was_state=$armed_state
  armed_state=$1
  read_clock
  armed_ended_at=${clock_ms:-0}
  if ! insist_armed; then
    armed_state=$was_state
    return 1
  fi
  disarm_units
}

# supersede: an order that has proven what it put there ends what an order before it had armed. $1 is the end.
supersede() {
  read_armed || return 0
  ! is_anothers || return 0
  case $armed_state in
    armed | reverting) end_armed "$1" || emit disarm false message "$ARMED cannot be written: the host goes back once more by itself" ;;
    *) disarm_units ;;
  esac
}

# at MS: a moment for people, UTC.
at() {
  date -u -d "@$((${1:-0} / 1000))" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || echo "$((${1:-0} / 1000)) s after 1970"
}

# What people find who look here. Nothing rests on it.
write_note() {
  durable "$ARMED/note" "$1" 2>/dev/null || :
}

# plain TEXT: on one line, for the state file and for notes.
plain() {
  printf '%s' "$1" | tr '\000-\037\177' ' ' | cut -c 1-700
}
