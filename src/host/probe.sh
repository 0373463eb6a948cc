# shellcheck shell=sh disable=SC2034,SC2154
# Counters of the agent and of the host, raw and with the host's uptime beside them: whoever asked makes rates of them
# (src/domain/probe.ts). Needs no dpkg. All that it changes is a list of its own last readings, in memory.
#
# PR1  Where the last reading is recent and of the same process, nothing is waited for; else one is taken, and another `sample_ms` later.
# PR2  What cannot be read is null, never 0.
# PR3  The agent is asked at the end, with a limit, and only where it listens: it is never waited for otherwise.
MOST_READINGS=40
MOST_PROCESSES=64
sample_ms=5000 results_log=''

own_parameter() {
  case $1 in
    sample_ms) check "$1" "$2" '[!0-9]' && sample_ms=$2 ;;
    results_log) check_path "$1" "$2" && results_log=$2 ;;
    *) return 1 ;;
  esac
}

limited() {
  limit=$1
  shift
  if command -v timeout >/dev/null 2>&1; then timeout -k 1 "$limit" "$@"; else "$@"; fi
}

# whole TEXT: a number that a shell can count with into $number, or null.
whole() {
  case $1 in '' | *[!0-9]* | ???????????????????*) number=null ;; *) number=$1 ;; esac
}

# Ms since boot into $up_ms: no clock that anybody sets.
read_up() {
  up_ms=0 up=
  read -r up _ 2>/dev/null <"$R/proc/uptime" || refuse reading 69 'this host has no /proc/uptime'
  hundredths=${up#*.}
  case ${up%.*}$hundredths in '' | *[!0-9]*) refuse reading 69 'this host has an odd /proc/uptime' ;; esac
  up_ms=$((${up%.*} * 1000 + (1$hundredths - 100) * 10))
}

read_unit_state() {
  active='' main=0 restarts=null began_us=null cgroup='' quota=''
  properties=
  ! command -v systemctl >/dev/null 2>&1 ||
    properties=$(limited 10 systemctl show "$service.service" -p ActiveState,MainPID,NRestarts,ExecMainStartTimestampMonotonic,ControlGroup,CPUQuotaPerSecUSec 2>/dev/null)
  while IFS='=' read -r key value; do
    case $key in
      ActiveState) active=$value ;;
      MainPID) whole "$value" && main=$number ;;
      NRestarts) whole "$value" && restarts=$number ;;
      ExecMainStartTimestampMonotonic) whole "$value" && began_us=$number ;;
      ControlGroup) cgroup=$value ;;
      CPUQuotaPerSecUSec) quota=$value ;;
    esac
  done <<END
$properties
END
  case $cgroup in *..* | [!/]*) cgroup= ;; esac
}

# Watcher, worker and whoever else is in the unit's cgroup; without one, whoever runs the executable. Into $processes, $rss_kib, $list.
read_processes() {
  found='' seen=
  if [ -n "$cgroup" ]; then
    for folder in "$R/sys/fs/cgroup$cgroup" "$R/sys/fs/cgroup/unified$cgroup" "$R/sys/fs/cgroup/systemd$cgroup"; do
      [ -r "$folder/cgroup.procs" ] || continue
      seen=yes
      for file in "$folder/cgroup.procs" "$folder"/*/cgroup.procs; do
        [ -r "$file" ] || continue
        while read -r one; do found="$found $one"; done <"$file"
      done
      break
    done
  fi
  if [ -z "$seen" ] && { [ "$main" != 0 ] || [ "$active" != inactive ]; }; then
    while read -r file; do
      one=${file%/exe}
      found="$found ${one##*/}"
    done <<END
$(find "$R"/proc/[0-9]*/exe -maxdepth 0 \( -lname "$executable" -o -lname "$executable (deleted)" -o -type f \) 2>/dev/null)
END
  fi
  processes=0 rss_kib=0 list=
  for one in $found; do
    [ "$processes" -lt "$MOST_PROCESSES" ] || break
    add_process "$one"
  done
}

# add_process PID: [pid, start in ticks since boot, ticks used]. Children that it has waited for are not counted: they were by themselves.
add_process() {
  stat=
  read -r stat 2>/dev/null <"$R/proc/$1/stat" || {
    # An embedded host's process is a folder without numbers.
    if [ -n "$R" ] && [ -d "$R/proc/$1" ]; then processes=$((processes + 1)); fi
    return 0
  }
  this=$1
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  [ $# -ge 20 ] && [ "$1" != Z ] || return 0
  processes=$((processes + 1))
  list="$list${list:+,}[$this,${20},$((${12} + ${13}))]"
  while read -r key value _; do
    case $key in VmRSS:)
      whole "$value"
      [ "$number" = null ] || rss_kib=$((rss_kib + number))
      break
      ;;
    esac
  done 2>/dev/null <"$R/proc/$this/status"
}

# read_pairs FILE: counters of a cpu.stat of either generation.
read_pairs() {
  while read -r key value; do
    whole "$value"
    [ "$number" != null ] || continue
    case $key in
      usage_usec) cpu_us=$number ;;
      nr_periods) periods=$number ;;
      nr_throttled) throttled=$number ;;
      throttled_usec) throttled_us=$number ;;
      throttled_time) throttled_us=$((number / 1000)) ;;
    esac
  done <"$1"
}

# The cgroup's CPU and throttling: by v2, by v1, or by both where they are mixed. $cap is what the kernel holds it to: quota and period in us.
read_cgroup() {
  cpu_us=null periods=null throttled=null throttled_us=null cap_us=null cap_period_us=null capped=unknown
  [ -n "$cgroup" ] || return 0
  for file in "$R/sys/fs/cgroup$cgroup" "$R/sys/fs/cgroup/unified$cgroup"; do
    [ ! -r "$file/cpu.stat" ] || read_pairs "$file/cpu.stat"
    [ -r "$file/cgroup.procs" ] || continue
    capped=no
    [ -r "$file/cpu.max" ] || continue
    read -r cap_us cap_period_us <"$file/cpu.max" || :
    break
  done
  for file in "$R/sys/fs/cgroup/cpu,cpuacct$cgroup" "$R/sys/fs/cgroup/cpuacct$cgroup" "$R/sys/fs/cgroup/cpu$cgroup"; do
    if [ "$cpu_us" = null ] && [ -r "$file/cpuacct.usage" ]; then
      read -r value <"$file/cpuacct.usage" || :
      whole "$value"
      [ "$number" = null ] || cpu_us=$((number / 1000))
    fi
    [ -r "$file/cpu.cfs_quota_us" ] || continue
    read_pairs "$file/cpu.stat"
    read -r cap_us <"$file/cpu.cfs_quota_us" || :
    read -r cap_period_us <"$file/cpu.cfs_period_us" || :
    break
  done
  case $cap_us in null) ;; max | -1) cap_us=null capped=no ;; *) whole "$cap_us" && cap_us=$number capped=yes ;; esac
  whole "$cap_period_us"
  cap_period_us=$number
}

# How long tasks waited for a core, ms since boot: summed over the cores, else the time in which any waited (it cannot pass 1 a second).
read_host() {
  wait_ms=null wait_from=none cores=
  read -r cores 2>/dev/null <"$R/sys/devices/system/cpu/online" || :
  if [ -r "$R/proc/schedstat" ]; then
    number=$(awk '/^cpu[0-9]/ { waited += $9; n++ } END { if (n) printf "%.0f", waited / 1000000 }' "$R/proc/schedstat" 2>/dev/null)
    whole "$number"
    wait_ms=$number wait_from=schedstat
  elif [ -r "$R/proc/pressure/cpu" ]; then
    while read -r key value; do
      [ "$key" != some ] || whole "${value##*total=}"
    done 2>/dev/null <"$R/proc/pressure/cpu"
    [ "$number" = null ] || wait_ms=$((number / 1000))
    wait_from=pressure
  fi
}

# take_reading: one, into $reading.
take_reading() {
  read_unit_state
  read_up
  read_processes
  read_cgroup
  read_host
  json "$active"
  reading="{\"step\":\"reading\",\"ok\":true,\"upMs\":$up_ms,\"activeState\":$quoted,\"mainPid\":${main:-0},\"restarts\":$restarts,\"beganUs\":$began_us,\"processes\":$processes"
  reading="$reading,\"rssBytes\":$((rss_kib * 1024)),\"list\":[$list],\"cpuUs\":$cpu_us,\"periods\":$periods,\"throttled\":$throttled,\"throttledUs\":$throttled_us"
  json "$quota"
  reading="$reading,\"quota\":$quoted,\"capped\":\"$capped\",\"capUs\":$cap_us,\"capPeriodUs\":$cap_period_us"
  json "$cores"
  reading="$reading,\"waitMs\":$wait_ms,\"waitFrom\":\"$wait_from\",\"cores\":$quoted}"
}

# A whole line of the answer, as it is kept too.
say_reading() {
  printf '%s\n' "$reading" 2>/dev/null || :
}

# field NAME LINE: a number of a kept line into $number.
field() {
  value=${2#*\""$1"\":}
  whole "${value%%[!0-9]*}"
}

# recall: tells what was kept; $last_up, $last_began and $last_main are the newest one's. The line is root's own, and only numbers are
# taken from it; whoever asked checks all of it.
recall() {
  last_up=null last_began='' last_main=''
  [ -r "$readings" ] || return 0
  tail -n "$MOST_READINGS" "$readings" 2>/dev/null || :
  line=$(tail -n 1 "$readings" 2>/dev/null) || :
  field upMs "$line"
  last_up=$number
  field beganUs "$line"
  last_began=$number
  field mainPid "$line"
  last_main=$number
}

# keep: unless the newest one kept is as good as this. No room to write to: the next probe waits a little, and that is all.
keep() {
  [ "$last_up" = null ] || [ $((up_ms - last_up)) -ge "$sample_ms" ] || return 0
  (
    umask 077
    mkdir -p "$R/run/rollout" || exit 1
    { [ ! -r "$readings" ] || tail -n $((MOST_READINGS - 1)) "$readings"; printf '%s\n' "$reading"; } >"$readings.$$" && mv -f "$readings.$$" "$readings"
  ) 2>/dev/null || rm -f "$readings.$$" 2>/dev/null || :
  last_up=$up_ms
}

# Whether the newest kept one tells of the same process, and is old enough for a rate.
is_near() {
  [ "$last_up" != null ] && [ "$last_began $last_main" = "$began_us $main" ] && [ $((up_ms - last_up)) -ge "$sample_ms" ]
}

# When something was last written, and what was usual: the largest distance of two records in the log's last part.
say_writes() {
  log=$R$results_log
  snapshots=${log%results.log}snapshots.log
  bytes=null written=null usual=null records=0
  for file in "$log" "$snapshots"; do
    [ -f "$file" ] || continue
    told=$(stat -c '%s %Y' "$file" 2>/dev/null || stat -f '%z %m' "$file" 2>/dev/null) || continue
    whole "${told#* }"
    [ "$number" != null ] || continue
    if [ "$written" = null ] || [ "$number" -gt "$written" ]; then written=$number; fi
    whole "${told% *}"
    [ "$number" = null ] || bytes=$((${bytes#null} + number))
  done
  if [ "$written" != null ]; then
    told=$(tail -q -c 32768 "$log" "$snapshots" 2>/dev/null | tr -d '\000' |
      awk '{ line = $0; while (match(line, /"unixTime":"?[0-9]+/)) { t = substr(line, RSTART + 11, RLENGTH - 11); gsub(/"/, "", t); print t; line = substr(line, RSTART + RLENGTH) } }' |
      sort -n | awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { printf "%d %d", NR, most }')
    whole "${told#* }"
    usual=$number
    whole "${told% *}"
    records=$number
  fi
  whole "$(date +%s)"
  printf '{"step":"writes","ok":true,"bytes":%s,"writtenS":%s,"clockS":%s,"records":%s,"usualS":%s}\n' "$bytes" "$written" "$number" "$records" "$usual" 2>/dev/null || :
}

# PR3. By the socket on which the agent serves extensions. The clock asked is the agent's, so that ages need no other.
say_schedule() {
  socket=$R/var/osquery/osquery.em
  shell=$R/usr/bin/osqueryi
  [ "$processes" -gt 0 ] && [ -S "$socket" ] && [ -x "$shell" ] && command -v timeout >/dev/null 2>&1 || return 0
  told=$(timeout -k 1 3 nice -n 19 "$shell" --connect "$socket" --json \
    'SELECT COUNT(*) AS queries, SUM(executions) AS executions, SUM(denylisted) AS denylisted, MIN(interval) AS least, MAX(last_executed) AS last, (SELECT unix_time FROM time) AS now FROM osquery_schedule' 2>/dev/null </dev/null | head -c 1000)
  line=
  for name in queries executions denylisted least last now; do
    value=${told#*\""$name"\":}
    [ "$value" != "$told" ] || return 0
    value=${value#\"}
    whole "${value%%[!0-9]*}"
    line="$line,\"$name\":$number"
  done
  printf '{"step":"schedule","ok":true%s}\n' "$line" 2>/dev/null || :
}

main() {
  begin probe "$@"
  require results_log
  if [ "$sample_ms" -lt 100 ] || [ "$sample_ms" -gt 60000 ]; then
    refuse usage 64 "parameter sample_ms is not between 100 and 60000: $sample_ms"
  fi
  # In memory, and of this boot: uptimes of another would be mixed in.
  readings=$R/run/rollout/readings-${boot_id:-unknown}
  recall
  take_reading
  if ! is_near; then
    say_reading
    keep
    sleep "$((sample_ms / 1000)).$(printf '%03d' $((sample_ms % 1000)))"
    take_reading
  fi
  say_reading
  keep
  say_writes
  say_schedule
  finish 0
}

main "$@"
