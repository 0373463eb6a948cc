# shellcheck shell=sh disable=SC2034,SC2154,SC2317
# What this host will do by itself, or has done: /var/lib/rollout/revert/state, read and told. Nothing here changes anything; lib-arm.sh
# does, and has the rules.
ARMED=$STATE/revert

# read_armed: the state file into $armed_*; fails where there is none. States: armed, reverting; and the ends confirmed, went-back,
# reverted (by an order), overtaken (by somebody's other version). Only the first two have a timer.
read_armed() {
  armed_state='' armed_order='' armed_environment='' armed_by='' armed_length_s=0 armed_at=0 armed_until_at=0 armed_until_up=0
  armed_left_ms=0 armed_boot='' armed_failures=0 armed_failure='' armed_not_before=0 armed_ended_at=0 armed_service=''
  armed_version='' armed_sha256='' armed_note='' armed_guard_cpu='' armed_guard_memory='' armed_parameters='' armed_package=''
  [ -s "$ARMED/state" ] || return 1
  while IFS='=' read -r key value; do
    case $key in
      state) armed_state=$value ;;
      order) armed_order=$value ;;
      environment) armed_environment=$value ;;
      by) armed_by=$value ;;
      lengthS) armed_length_s=$value ;;
      at) armed_at=$value ;;
      untilAt) armed_until_at=$value ;;
      untilUp) armed_until_up=$value ;;
      leftMs) armed_left_ms=$value ;;
      boot) armed_boot=$value ;;
      failures) armed_failures=$value ;;
      failure) armed_failure=$value ;;
      notBefore) armed_not_before=$value ;;
      endedAt) armed_ended_at=$value ;;
      service) armed_service=$value ;;
      version) armed_version=$value ;;
      sha256) armed_sha256=$value ;;
      note) armed_note=$value ;;
      guardCpu) armed_guard_cpu=$value ;;
      guardMemory) armed_guard_memory=$value ;;
      parameter)
        case $value in package=*) armed_package=${value#package=} ;; esac
        armed_parameters="$armed_parameters$value
"
        ;;
    esac
  done <"$ARMED/state"
  for key in length_s at until_at until_up left_ms failures not_before ended_at; do
    eval "value=\$armed_$key" # the names are literals of ours
    case $value in '' | *[!0-9]* | ????????????????*) eval "armed_$key=0" ;; esac
  done
  [ -n "$armed_state" ]
}

# Whether what is armed is about another package than this program's: none of its business. Needs read_armed.
is_anothers() {
  case $armed_state in armed | reverting) [ "$armed_package" != "$package" ] ;; *) return 1 ;; esac
}

# Time since the boot into $up_ms, which no setting of the clock changes; by the clock where a host does not tell it.
read_uptime() {
  up=
  [ ! -r "$R/proc/uptime" ] || read -r up _ <"$R/proc/uptime" || :
  case $up in
    [0-9]*.[0-9][0-9]) up_ms=$((${up%.*} * 1000 + 1${up#*.} * 10 - 1000)) ;;
    *)
      read_clock
      up_ms=${clock_ms:-0}
      ;;
  esac
}

# How much is left into $left_ms (A4). Needs read_armed, read_boot and read_uptime.
read_left() {
  if [ "$armed_boot" = "$boot_id" ]; then
    left_ms=$((armed_until_up - up_ms))
  else
    read_clock
    left_ms=$((armed_until_at - ${clock_ms:-0}))
  fi
  [ "$left_ms" -le "$armed_left_ms" ] || left_ms=$armed_left_ms
  [ "$left_ms" -ge 0 ] || left_ms=0
}

# say_armed: as steps of the answer.
say_armed() {
  read_armed || return 0
  case $armed_state in
    armed)
      read_uptime
      read_left
      emit armed true order "$armed_order" environment "$armed_environment" state armed 'msLeft#' "$left_ms" 'lengthS#' "$armed_length_s"
      ;;
    reverting) emit armed true order "$armed_order" state reverting 'failures#' "$armed_failures" message "$armed_failure" ;;
    went-back)
      emit went-back true order "$armed_order" packageVersion "$armed_version" sha256 "$armed_sha256" service "$armed_service" \
        'at#' "$armed_ended_at" note "$armed_note"
      ;;
    *) emit armed true order "$armed_order" state "$armed_state" ;;
  esac
}
