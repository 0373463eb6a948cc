# shellcheck shell=sh disable=SC2034,SC2317,SC2119,SC2120
# Shared by every host program: `cat lib.sh PROGRAM.sh | sudo -n sh -s -- key=value ...`.
# One long file since one text is sent. Protocol: src/domain/host-order.ts. Owns /var/lib/rollout on the host; never reads a parameter as code.
#
# H1  Nothing runs before the last line has arrived: all is functions, so a cut stdin does nothing.
# H2  One program a host changes things at a time: the lock, which the shell around an installer holds as long as that runs,
#     also when this program was killed. The installer itself does not inherit it: a daemon that a package starts by a
#     script of its own would keep it for ever, and no revert could get in.
# H3  What the service was before the first touch is durable before that touch (orders/ORDER), and is never overwritten.
# H4  A package is hashed in a folder that only root can write to, after the copy.
# H5  A dead SSH connection does not stop a change half-way: HUP and PIPE are ignored, failed writes too.
# H6  Killed anywhere, run again: every step looks at what is there, none trusts that the one before was run.
# H7  Where an instance id is given, the machine is asked who it is before anything else is looked at or locked: an address
#     is used again, an instance id never.
# H8  A stop does not wait for an installation: it leaves a hold, and then stops. Whoever is about to start the service, or to
#     say that it should be running, looks for the hold first, and again when that failed.
set -u
umask 022
LC_ALL=C
export LC_ALL
R=${ROLLOUT_ROOT:-}
# Where sudo hands on a user's PATH, `service`, update-rc.d and what dpkg needs would be missing.
[ -n "$R" ] || PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin
STATE=$R/var/lib/rollout
PACKAGES=$STATE/packages
# Not in /run/lock, where any user may make, hold or replace it: this folder is root's alone.
LOCK=$R/run/rollout/lock
# In memory, so that a full disk does not stop the way back.
LOG=$R/run/rollout/install.log
# The recorded wish that the agent stays stopped; in memory where the disk took no file. Who finds one leaves the service down.
HOLD=$STATE/hold
HOLD_IN_MEMORY=$R/run/rollout/hold
# Newer than what an order remembers: somebody has started the service on purpose since, and it is meant to run.
STARTED=$STATE/started
# KiB that must stay free beside what a package needs.
MARGIN_KIB=51200
# A maintainer script that hangs longer than this is ended, or no revert could ever get the lock. Seconds.
INSTALL_LIMIT_S=600

# json TEXT: puts TEXT as a JSON string into $quoted. What is not printable ASCII becomes `?`: always valid JSON.
json() {
  case $1 in
    *[!A-Za-z0-9\ ._:/+~@,=\;\(\)\'-]*)
      quoted=\"$(printf '%s' "$1" | tr -c '\11\12\40-\176' '?' | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' -e '$!s/$/\\n/' | tr -d '\n')\"
      ;;
    *) quoted=\"$1\" ;;
  esac
}

# json_text TEXT: as json, but UTF-8 stays, and nothing is forked for quotes in it.
json_text() {
  text=$1 quoted=
  case $text in *[[:cntrl:]]*) text=$(printf '%s' "$text" | tr -d '\000-\037\177') ;; esac
  while :; do
    case $text in
      *[\\\"]*)
        plain=${text%%[\\\"]*}
        text=${text#"$plain"}
        after=${text#?}
        quoted=$quoted$plain\\${text%"$after"}
        text=$after
        ;;
      *) break ;;
    esac
  done
  quoted=\"$quoted$text\"
}

# emit STEP OK [KEY TEXT | KEY# JSON]...: one line of the answer. Nobody may be listening any more (H5).
emit() {
  line="{\"step\":\"$1\",\"ok\":$2"
  shift 2
  while [ $# -ge 2 ]; do
    case $1 in
      *'#') line="$line,\"${1%#}\":$2" ;;
      *)
        json "$2"
        line="$line,\"$1\":$quoted"
        ;;
    esac
    shift 2
  done
  printf '%s}\n' "$line" 2>/dev/null || :
}

# finish CODE. What a program set as $at_end is done first, while the lock is still held.
finish() {
  ending=${at_end:-}
  at_end=
  [ -z "$ending" ] || "$ending" "$1"
  [ -z "${lock_folder:-}" ] || rm -rf "$lock_folder"
  [ -z "${service_lock_folder:-}" ] || rm -rf "$service_lock_folder"
  if [ "$1" -eq 0 ]; then emit end true 'code#' 0; else emit end false 'code#' "$1"; fi
  exit "$1"
}

# refuse STEP CODE MESSAGE: the step failed; ends the program.
refuse() {
  refused="$1: $3"
  emit "$1" false message "$3"
  finish "$2"
}

# begin PROGRAM key=value...: reads and checks every parameter. The first thing a program does.
begin() {
  trap '' HUP PIPE
  exec </dev/null
  program=$1
  shift
  read_boot
  emit begin true program "$program" 'protocol#' 1 bootId "$boot_id"
  package='' service='' executable='' instance_id='' order='' environment='' fence='' prove_ms='' lock_timeout_s='' incoming=''
  target_sha256='' target_size='' target_version='' target_exe='' target_exe_sha256=''
  previous_sha256='' previous_size='' previous_version='' previous_exe='' previous_exe_sha256=''
  for parameter in "$@"; do
    key=${parameter%%=*}
    value=${parameter#*=}
    case $parameter in *=*) ;; *) key='' ;; esac
    case $key in
      package) check "$key" "$value" '[!a-z0-9+.-]' && package=$value ;;
      service) check "$key" "$value" '[!A-Za-z0-9:_.@-]' && service=$value ;;
      executable) check_path "$key" "$value" && executable=$value ;;
      instance_id) check_id "$key" "$value" && instance_id=$value ;;
      order) check "$key" "$value" '[!A-Za-z0-9_.-]' && order=$value ;;
      environment) check "$key" "$value" '[!A-Za-z0-9_.-]' && environment=$value ;;
      fence) check "$key" "$value" '[!0-9]' && fence=$value ;;
      prove_ms) check "$key" "$value" '[!0-9]' && prove_ms=$value ;;
      lock_timeout_s) check "$key" "$value" '[!0-9]' && lock_timeout_s=$value ;;
      incoming) check_path "$key" "$value" && incoming=$value ;;
      target_sha256) check_digest "$key" "$value" && target_sha256=$value ;;
      target_size) check "$key" "$value" '[!0-9]' && target_size=$value ;;
      target_version) check "$key" "$value" '[!A-Za-z0-9.+:~-]' && target_version=$value ;;
      target_exe) check_path "$key" "$value" && target_exe=$value ;;
      target_exe_sha256) check_digest "$key" "$value" && target_exe_sha256=$value ;;
      previous_sha256) check_digest "$key" "$value" && previous_sha256=$value ;;
      previous_size) check "$key" "$value" '[!0-9]' && previous_size=$value ;;
      previous_version) check "$key" "$value" '[!A-Za-z0-9.+:~-]' && previous_version=$value ;;
      previous_exe) check_path "$key" "$value" && previous_exe=$value ;;
      previous_exe_sha256) check_digest "$key" "$value" && previous_exe_sha256=$value ;;
      *) own_parameter "$key" "$value" || refuse usage 64 "unknown parameter: $parameter" ;;
    esac
  done
  require package service executable
  # The embedded fleet may name the folder with its root or without.
  case $incoming in '' | "$R"/*) ;; *) incoming=$R$incoming ;; esac
  memory=$STATE/orders/$order
  # An install has begun and the restart after it is still due. Gone after a reboot, which is a restart.
  pending=$R/run/rollout/$order.pending
  [ -z "$instance_id" ] || check_identity
}

read_boot() {
  boot_id=
  [ ! -r "$R/proc/sys/kernel/random/boot_id" ] || read -r boot_id <"$R/proc/sys/kernel/random/boot_id" || :
}

# own_parameter KEY VALUE: a library or a program that has parameters of its own defines it anew, before `begin`.
own_parameter() {
  return 1
}

# check KEY VALUE PATTERN: not empty, at most 200 characters, no leading `-` or `.`, no character that PATTERN matches.
check() {
  # shellcheck disable=SC2254
  case $2 in '' | [.-]* | *$3*) refuse usage 64 "parameter $1 has a value that is not allowed: $2" ;; esac
  [ ${#2} -le 200 ] || refuse usage 64 "parameter $1 is too long"
  case $3 in '[!0-9]') [ ${#2} -le 15 ] || refuse usage 64 "parameter $1 is too large: $2" ;; esac
}

# Instance ids are numbers of up to 64 bits: text here, since a shell cannot count that far.
check_id() {
  case $2 in '' | *[!0-9]*) refuse usage 64 "parameter $1 is not an instance id: $2" ;; esac
  [ ${#2} -le 20 ] || refuse usage 64 "parameter $1 is not an instance id: $2"
}

check_digest() {
  case $2 in *[!0-9a-f]*) refuse usage 64 "parameter $1 is not a sha256: $2" ;; esac
  [ ${#2} -eq 64 ] || refuse usage 64 "parameter $1 is not a sha256: $2"
}

# check_text KEY VALUE: what a person wrote, at most 1,000 characters of UTF-8; it is only ever printed, compared or passed on as one word.
check_text() {
  case $2 in *[[:cntrl:]]*) refuse usage 64 "parameter $1 holds a control character" ;; esac
  [ ${#2} -le 4000 ] || refuse usage 64 "parameter $1 is too long"
}

# check_word KEY VALUE WORD...: one of these.
check_word() {
  key=$1
  value=$2
  shift 2
  for allowed in "$@"; do
    [ "$value" != "$allowed" ] || return 0
  done
  refuse usage 64 "parameter $key is none of $*: $value"
}

check_path() {
  case $2 in
    *[![:print:]]* | */../* | */.. | */) refuse usage 64 "parameter $1 is not a plain absolute path: $2" ;;
    /*) ;;
    *) refuse usage 64 "parameter $1 is not an absolute path: $2" ;;
  esac
  [ ${#2} -le 1000 ] || refuse usage 64 "parameter $1 is too long"
}

# require KEY...: the parameters that this program cannot do without.
require() {
  for key in "$@"; do
    eval "value=\$$key" # the names are literals of ours
    # shellcheck disable=SC2154
    [ -n "$value" ] || refuse usage 64 "parameter $key is missing"
  done
}

# ask_metadata SERVER PATH: what the metadata server says, at most 200 bytes of it, without any proxy; fails when it says nothing.
ask_metadata() {
  url=http://$1/computeMetadata/v1/$2
  if command -v curl >/dev/null 2>&1; then
    said=$(curl -q -s -f --noproxy '*' --connect-timeout 2 --max-time 2 -H 'Metadata-Flavor: Google' "$url" 2>/dev/null | head -c 200)
  else
    said=$(http_proxy='' HTTP_PROXY='' wget -q -O - --tries=1 --timeout=2 --header='Metadata-Flavor: Google' "$url" 2>/dev/null | head -c 200)
  fi
  [ -n "$said" ]
}

# H7. The answer is compared and never believed in anything else, so that who gave it need not be proven: only the right id
# lets the program go on. GCE_METADATA_HOST is what Google's own clients take a stand-in from; sudo does not let it through.
check_identity() {
  mend='set inventory.instanceCheck: false where the metadata server is blocked'
  command -v curl >/dev/null 2>&1 || command -v wget >/dev/null 2>&1 ||
    not_meant 67 "this host cannot ask its metadata server who it is: it has neither curl nor wget; install curl, or $mend"
  told=
  for server in ${GCE_METADATA_HOST:-metadata.google.internal 169.254.169.254 metadata.google.internal}; do
    said=
    ask_metadata "$server" instance/id || said=
    case $said in *[!0-9]*) said= ;; esac
    if [ -n "$said" ] && [ ${#said} -le 20 ]; then told=$said && break; fi
    sleep 0.5
  done
  [ -n "$told" ] || not_meant 67 "this host's metadata server does not tell who it is (asked for $instance_id); $mend"
  [ "$told" = "$instance_id" ] ||
    not_meant 68 "this host is instance $told, meant was $instance_id: its address was used again; look at the inventory again"
  emit identity true instanceId "$told"
}

# What was delivered here was meant for another machine.
not_meant() {
  drop_incoming
  refuse identity "$1" "$2"
}

need_tools() {
  for tool in dpkg dpkg-query systemctl; do
    command -v "$tool" >/dev/null 2>&1 || refuse unsupported 69 "this host has no $tool: it cannot carry the package"
  done
  read_unit || refuse unsupported 69 'systemd does not answer on this host (systemctl show failed)'
}

# durable FILE TEXT: whole or not at all, also after a power cut. Fails when there is no space.
durable() {
  mkdir -p "${1%/*}" && printf '%s\n' "$2" >"$1.tmp" && { sync "$1.tmp" 2>/dev/null || sync; } && mv -f "$1.tmp" "$1" &&
    { sync "${1%/*}" 2>/dev/null || :; } && return 0
  rm -f "$1.tmp"
  return 1
}

# digest FILE: its sha256 into $sha; fails, with $sha empty, when it cannot be read.
digest() {
  sha=
  [ -r "$1" ] || return 1
  sha=$(sha256sum 2>/dev/null <"$1") || sha=$(shasum -a 256 2>/dev/null <"$1") || sha=
  sha=${sha%% *}
  [ -n "$sha" ]
}

# hold_lock [SECONDS]: waits so long for it at most; not at all by default.
hold_lock() {
  (umask 077 && mkdir -p "$R/run/rollout") || refuse lock 74 "cannot make $R/run/rollout"
  mkdir -p "$PACKAGES" || refuse lock 74 "cannot make $PACKAGES"
  lock_patience=${1:-0}
  until take_lock; do
    [ "$lock_patience" -gt 0 ] || refuse lock 70 "another host program${owner:+ (process $owner)} is at work on this host; try again when it has ended"
    [ $((lock_patience % 5)) -ne 0 ] || emit waiting true on host-lock 'secondsLeft#' "$lock_patience"
    lock_patience=$((lock_patience - 1))
    sleep 1
  done
}

take_lock() {
  owner=
  if command -v flock >/dev/null 2>&1; then
    exec 9>>"$LOCK"
    flock -n 9
    return
  fi
  # Only the embedded fleet meets a system without flock.
  if ! mkdir "$LOCK.d" 2>/dev/null; then
    read -r owner 2>/dev/null <"$LOCK.d/pid" || :
    [ -z "$owner" ] || ! kill -0 "$owner" 2>/dev/null || return 1
    rm -rf "$LOCK.d"
    mkdir "$LOCK.d" 2>/dev/null || return 1
  fi
  lock_folder=$LOCK.d
  echo $$ >"$lock_folder/pid"
}

drop_lock() {
  exec 9>&-
  [ -z "${lock_folder:-}" ] || rm -rf "$lock_folder"
  lock_folder=
}

# Whether a changing program is at work now; changes nothing.
lock_is_held() {
  if command -v flock >/dev/null 2>&1; then
    [ -r "$LOCK" ] || return 1
    (flock -n -s 9) 9<"$LOCK" && return 1
    return 0
  fi
  owner=
  read -r owner 2>/dev/null <"$LOCK.d/pid" || :
  [ -n "$owner" ] && kill -0 "$owner" 2>/dev/null
}

check_fence() {
  seen=0
  [ ! -s "$STATE/fence/$environment" ] || read -r seen <"$STATE/fence/$environment" || :
  case $seen in '' | *[!0-9]*) seen=0 ;; esac
  [ "$fence" -ge "$seen" ] || refuse fence 71 "order $fence of $environment is older than $seen, which this host has seen: somebody else has taken over"
  [ "$fence" -eq "$seen" ] || durable "$STATE/fence/$environment" "$fence" ||
    { spare_room && durable "$STATE/fence/$environment" "$fence"; } || refuse fence 74 "cannot write $STATE/fence: $(free_kib "$STATE") KiB free"
}

# spare_room: gives up a file of ours on a full disk; fails where there is none to spare. A library that knows of one defines it anew.
spare_room() {
  return 1
}

# Whether somebody wants the agent to stay stopped (H8).
is_held() {
  [ -e "$HOLD" ] || [ -e "$HOLD_IN_MEMORY" ]
}

# free_kib DIR: KiB free at DIR or at its nearest parent that exists.
free_kib() {
  folder=$1
  while [ ! -d "$folder" ] && [ -n "$folder" ]; do folder=${folder%/*}; done
  free=$(df -Pk "${folder:-/}" 2>/dev/null | awk 'NR == 2 { print $4 }')
  case $free in '' | *[!0-9]*) free=0 ;; esac
  echo "$free"
}

# Reads what systemd says of the unit. Fails when it does not answer.
read_unit() {
  active='' sub='' unit_file='' pid=0 restarts=0 exec_status=0
  properties=$(systemctl show "$service.service" -p ActiveState,SubState,UnitFileState,MainPID,NRestarts,ExecMainStatus 2>/dev/null)
  while IFS='=' read -r key value; do
    case $key in
      ActiveState) active=$value ;;
      SubState) sub=$value ;;
      UnitFileState) unit_file=$value ;;
      MainPID) pid=$value ;;
      NRestarts) restarts=$value ;;
      ExecMainStatus) exec_status=$value ;;
    esac
  done <<END
$properties
END
  case $pid in '' | *[!0-9]*) pid=0 ;; esac
  case $restarts in '' | *[!0-9]*) restarts=0 ;; esac
  [ -n "$active" ]
}

# sha256 of what runs, not of what lies on disk: /proc/PID/exe stays the old file after an upgrade.
read_running() {
  running_sha=
  [ "$pid" -gt 0 ] || return 0
  digest "$R/proc/$pid/exe" && running_sha=$sha
  return 0
}

read_package() {
  # shellcheck disable=SC2016
  status=$(dpkg-query -W -f '${db:Status-Want} ${db:Status-Status} ${Version}\n' "$package" 2>/dev/null) || status=
  read -r want status package_version <<END
$status
END
  case $status in
    installed | triggers-awaited | triggers-pending) package_state=installed ;;
    '' | not-installed | config-files) package_state=absent package_version='' ;;
    *) package_state=broken ;;
  esac
}

# This host's clock into $clock_ms, ms since the epoch, whole seconds where date knows no smaller ones; empty when it tells none.
read_clock() {
  clock_ms=$(date +%s%3N 2>/dev/null)
  case $clock_ms in *[!0-9]*) clock_ms= ;; esac
  [ ${#clock_ms} -lt 13 ] || return 0
  clock_ms=$(date +%s 2>/dev/null)000
  case $clock_ms in 000 | *[!0-9]*) clock_ms= ;; esac
}

# calm: waits while the unit is between two states, as in a restart by configuration management; longer than TimeoutStopSec of
# osquery's unit, 15 s. Between two crashes (auto-restart) it is not waited for. What follows is told by the unit's state.
calm() {
  patience=80
  between=
  while [ "$patience" -gt 0 ]; do
    case $active/$sub in
      */auto-restart*) return 0 ;;
      deactivating/* | activating/* | reloading/* | refreshing/*) between=yes ;;
      inactive/*)
        # A restart passes here too, for a moment.
        [ "$between" = yes ] || return 0
        between=
        sleep 0.25
        ;;
      *) return 0 ;;
    esac
    [ $((patience % 20)) -ne 0 ] || emit working true on service state "$active/$sub"
    patience=$((patience - 1))
    sleep 0.25
    read_unit || :
  done
}

drop_incoming() {
  [ -z "$incoming" ] || rm -f "$incoming/$target_sha256.deb" "$incoming/$previous_sha256.deb" "$incoming/$target_sha256.deb.part" "$incoming/$previous_sha256.deb.part"
}

# with_heartbeat NAME COMMAND...: tells that work goes on, so that no idle timeout cuts the connection. $code is how it ended.
with_heartbeat() {
  name=$1
  shift
  beat &
  beating=$!
  "$@"
  code=$?
  kill "$beating" 2>/dev/null
  wait "$beating" 2>/dev/null
}

# Ends by itself when the program is gone, and does not keep its lock or its output open.
beat() {
  exec 8>&- 9>&-
  seconds=0
  while [ "$seconds" -lt 7200 ]; do
    sleep 5 >/dev/null 2>&1
    seconds=$((seconds + 5))
    kill -0 $$ 2>/dev/null || exit 0
    emit working true on "$name" 'seconds#' "$seconds"
  done
}

# unit_lines: the unit's state and last words, for a message.
unit_lines() {
  printf '%s' "$active/$sub, exit status $exec_status, $restarts restarts"
  [ -n "$R" ] || journalctl -q -u "$service.service" -n 4 --no-pager -o cat 2>/dev/null | tail -c 350 | sed 's/^/; /'
}
