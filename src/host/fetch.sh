# shellcheck shell=sh
# Fetches packages into the user's own folder, as the user who logs in: no sudo. Whoever sends this text ends it with a call,
#   main limit_s=N stall_s=N [folder=PATH] <<'PACKAGES'
#   SHA256 SIZE AUTHORIZATION URL
#   PACKAGES
# AUTHORIZATION: in-url, vm-service-account, or none (there is no URL; the package has to be there). Answers one line of JSON a
# step: begin, working, fetch for every package, end.
#
# F1  URL and token are secrets: they are in shell variables that are not exported and in what a client reads from a pipe, never
#     in a word of a command, in the environment, in a file of ours or in a line of the answer. What a client says is not passed
#     on, since it may hold them; only numbers and bare words are.
# F2  A package appears under its name whole and with the right digest, or not at all. Every attempt has a part file of its own.
# F3  It ends by itself: by limit_s, when a client is stalled for stall_s, or soon after nobody listens any more.
# F4  More than the package's size is never written, whoever sends it.
set -u
umask 077
# A core file would hold the secrets. Not in POSIX, but every sh that Debian has knows it.
# shellcheck disable=SC3045
ulimit -c 0 2>/dev/null
trap '' PIPE HUP
LC_ALL=C
export LC_ALL
R=${ROLLOUT_ROOT:-}
KEPT=$R/var/lib/rollout/packages
BEAT_S=2
ATTEMPTS=4

say() {
  printf '{"step":"%s","ok":%s%s}\n' "$1" "$2" "${3:-}" 2>/dev/null
}

finish() {
  if [ "$1" -eq 0 ]; then say end true ',"code":0'; else say end false ",\"code\":$1"; fi
  exit "$1"
}

# give_up WHY [FIELDS]: the package at hand cannot be had. Nothing will use or remove what came before it.
give_up() {
  say fetch false ",\"package\":\"${sha:-}\",\"why\":\"$1\"${2:-}"
  for name in $fetched; do rm -f "$folder/$name.deb"; done
  finish 1
}

size_of() {
  bytes=$(wc -c 2>/dev/null <"$1" | tr -d ' ')
  [ "$bytes" = "$2" ]
}

# digest FILE: its sha256 into $found.
digest() {
  found=$(sha256sum 2>/dev/null <"$1") || found=$(shasum -a 256 2>/dev/null <"$1") || found=
  found=${found%% *}
}

free_kib() {
  free=$(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 { print $4 }')
  case $free in '' | *[!0-9]*) free=0 ;; esac
}

make_folder() {
  case ${HOME:-} in /*) ;; *) HOME=$(pwd) ;; esac
  shown=${given:-${HOME#"$R"}/.cache/rollout}
  case $shown in
    *[!A-Za-z0-9/._@+-]* | */../* | */..) sha='' && give_up odd-home ;;
    /*) ;;
    *) sha='' && give_up odd-home ;;
  esac
  folder=$R${shown#"$R"}
  mkdir -p "$folder" 2>/dev/null
  sha=''
  { [ -d "$folder" ] && [ -w "$folder" ]; } || give_up no-folder
  chmod 700 "$folder" 2>/dev/null
  # Of attempts that were killed; longer ago than any may take.
  find "$folder" -name '*.part.*' -mmin +360 -exec rm -f {} + 2>/dev/null
}

main() {
  limit_s=600 stall_s=30 given='' fetched='' folder=''
  for parameter in "$@"; do
    case $parameter in
      limit_s=*) limit_s=${parameter#*=} ;;
      stall_s=*) stall_s=${parameter#*=} ;;
      folder=*) given=${parameter#*=} ;;
    esac
  done
  started=$(date +%s)
  make_folder
  say begin true ",\"program\":\"fetch\",\"folder\":\"$shown\""
  while read -r sha size authorization url; do
    obtain </dev/null
  done
  finish 0
}

# obtain: the package is kept by the host already, lies in the folder already, or is fetched.
obtain() {
  if size_of "$KEPT/$sha.deb" "$size"; then
    say fetch true ",\"package\":\"$sha\",\"from\":\"kept\""
    return
  fi
  if [ -f "$folder/$sha.deb" ] && size_of "$folder/$sha.deb" "$size" && digest "$folder/$sha.deb" && [ "$found" = "$sha" ]; then
    say fetch true ",\"package\":\"$sha\",\"from\":\"folder\""
    return
  fi
  [ "$authorization" != none ] || give_up no-url
  free_kib
  need=$((size / 1024 + 1))
  [ "$free" -ge "$need" ] || give_up no-space ",\"freeKib\":$free,\"needKib\":$need"
  if command -v curl >/dev/null 2>&1; then
    tool=curl
  elif command -v wget >/dev/null 2>&1; then
    tool=wget
  else
    give_up no-client
  fi
  header='' account=''
  if [ "$authorization" = vm-service-account ]; then
    # wget takes a header from its command line or from a regular file, where others or a later reader could see it.
    [ "$tool" = curl ] || give_up no-curl
    get_token
  fi
  part=$folder/$sha.deb.part.$$
  trap 'rm -f "$part" "$part.said"' EXIT
  attempt=1
  while ! fetch_once; do
    rm -f "$part" "$part.said"
    left=$((limit_s - ($(date +%s) - started)))
    if [ "$again" = no ] || [ "$attempt" -ge "$ATTEMPTS" ] || [ "$left" -le "$attempt" ]; then
      give_up "$why" ",\"tool\":\"$tool\",\"exit\":$code,\"status\":$status,\"reason\":\"$reason\",\"account\":\"$account\",\"attempts\":$attempt"
    fi
    say working true ",\"on\":\"fetch\",\"attempt\":$attempt"
    sleep "$attempt"
    attempt=$((attempt + 1))
  done
  mv -f "$part" "$folder/$sha.deb" 2>/dev/null || give_up write-failed ",\"freeKib\":$free"
  fetched="$fetched $sha"
  rm -f "$part.said"
  say fetch true ",\"package\":\"$sha\",\"from\":\"$tool\",\"attempts\":$attempt"
}

# fetch_once: one attempt. Fails with $why, $code (the client's), $status (HTTP's, 0 none), $reason (the store's word for it),
# and $again, whether another attempt may help.
fetch_once() {
  left=$((limit_s - ($(date +%s) - started)))
  [ "$left" -gt 0 ] || left=1
  : >"$part" && : >"$part.said"
  scheme=${url%%:*}
  run_client &
  client=$!
  beat "$client" &
  beating=$!
  wait "$client"
  code=$?
  kill "$beating" 2>/dev/null
  wait "$beating" 2>/dev/null
  status=$(sed -n -e 's/^status \([0-9][0-9][0-9]\)$/\1/p' -e 's/^ *HTTP\/[0-9.]* \([0-9][0-9][0-9]\).*/\1/p' "$part.said" 2>/dev/null | tail -n 1)
  case $status in '' | 000) status=0 ;; esac
  reason='' again=yes
  case $status in
    200) ;;
    0) ;;
    *)
      why=status
      reason=$(head -c 4096 "$part" 2>/dev/null | tr -d '\n' | sed -n 's/.*<Code>\([A-Za-z]\{1,40\}\)<\/Code>.*/\1/p')
      case $status in 408 | 429 | 5??) ;; *) again=no ;; esac
      return 1
      ;;
  esac
  bytes=$(wc -c 2>/dev/null <"$part" | tr -d ' ')
  # Ended by the file size limit (a signal: 25 on Linux), refused by curl for its size, or simply longer.
  if [ "$code" -eq 153 ] || { [ "$tool" = curl ] && [ "$code" -eq 63 ]; } || [ "${bytes:-0}" -gt "$size" ]; then
    why=too-large again=no
    return 1
  fi
  if [ "$code" -ne 0 ]; then
    free_kib
    why=client
    case $tool:$code in curl:23 | wget:3) why=write-failed again=no ;; esac
    # A name, a route, a time or a broken transfer may be better the next time; a certificate or a bad option is not.
    case $tool:$code in curl:6 | curl:7 | curl:18 | curl:28 | curl:35 | curl:5[26] | curl:92 | wget:4) ;; *) again=no ;; esac
    return 1
  fi
  if [ "$status" -eq 0 ]; then
    why=client
    return 1
  fi
  if [ "$bytes" != "$size" ]; then
    why=size reason=$bytes
    return 1
  fi
  digest "$part"
  if [ "$found" != "$sha" ]; then
    # Once more, since a proxy may have spoilt it.
    why=digest reason=$found
    [ "$attempt" -lt 2 ] || again=no
    return 1
  fi
}

# run_client: replaces its shell by the client, which finds the secrets on pipes alone (F1). Redirects are not followed.
run_client() {
  # F4, in blocks of 512 bytes; what an error page may have is left room for.
  ulimit -f $((size / 512 + 32)) 2>/dev/null
  if [ "$tool" = curl ]; then
    exec curl -q -s --globoff --proto "=$scheme" --max-redirs 0 --connect-timeout 10 --max-time "$left" \
      --speed-limit 1 --speed-time "$stall_s" --max-filesize "$((size + 8192))" -o "$part" -w 'status %{http_code}\n' --config - \
      >"$part.said" 2>/dev/null <<END
url = "$url"
$header
END
  fi
  limit=
  ! command -v timeout >/dev/null 2>&1 || limit="timeout -k 2 $left"
  # shellcheck disable=SC2086
  exec $limit wget --no-config -q -S --content-on-error --max-redirect=0 --tries=1 --timeout="$stall_s" --no-hsts --no-netrc \
    -O "$part" --input-file=- >/dev/null 2>"$part.said" <<END
$url
END
}

# beat CLIENT: tells that work goes on, so that no idle timeout cuts the connection; ends the client when nobody listens (F3).
beat() {
  trap - EXIT
  while kill -0 $$ 2>/dev/null; do
    sleep "$BEAT_S" >/dev/null 2>&1
    say working true ',"on":"fetch"' || break
  done
  kill "$1" 2>/dev/null
}

# ask_metadata PATH: what the metadata server says of the VM's service account, into $told; without any proxy.
ask_metadata() {
  told=
  for server in ${GCE_METADATA_HOST:-metadata.google.internal 169.254.169.254}; do
    at=http://$server/computeMetadata/v1/instance/service-accounts/default/$1
    told=$(curl -q -s -f --noproxy '*' --connect-timeout 2 --max-time 5 -H 'Metadata-Flavor: Google' "$at" 2>/dev/null | head -c 8192)
    [ -z "$told" ] || return 0
  done
  return 1
}

get_token() {
  ask_metadata email || told=
  case $told in *[!A-Za-z0-9@._-]*) ;; *) account=$told ;; esac
  [ ${#account} -le 200 ] || account=
  for try in 1 2 3; do
    ask_metadata token || told=
    # No bound in the pattern: sed takes seconds for a large one. What came is bounded.
    token=$(printf '%s' "$told" | tr -d '\n' | sed -n 's/.*"access_token" *: *"\([A-Za-z0-9._~+/=-]*\)".*/\1/p')
    told=
    if [ -n "$token" ]; then
      header="header = \"Authorization: Bearer $token\""
      return 0
    fi
    [ "$try" -eq 3 ] || sleep 1
  done
  give_up no-token ",\"account\":\"$account\""
}
