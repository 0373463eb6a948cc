# shellcheck shell=sh disable=SC2154
# Is the target what runs, without a restart for prove_ms? Changes nothing. Refused as busy while a changing program is at
# work, since what it would see then is about to change.

main() {
  begin prove "$@"
  require order prove_ms target_version target_exe target_exe_sha256
  need_tools
  ! lock_is_held || refuse lock 70 'another host program is at work on this host; what runs is about to change'
  look
  say_armed
  [ "$armed_state:$armed_order" != "reverting:$order" ] ||
    refuse armed 70 "this host is going back by itself${armed_failure:+; attempt $armed_failures failed: $armed_failure}; ask again"
  calm
  recall || judge_present
  # Started by a hand meanwhile: then it is the running process that has to be the target.
  [ "$was" = running ] || [ "$active" != active ] || was=running
  prove_agent "$target_version" "$target_exe" "$target_exe_sha256"
  say_armed
  finish 0
}

main "$@"
