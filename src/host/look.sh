# shellcheck shell=sh
# Reads what is installed and what runs. Changes nothing. Needs: package, service, executable.

main() {
  begin look "$@"
  need_tools
  busy=false
  ! lock_is_held || busy=true
  look 'busy#' "$busy"
  say_armed
  finish 0
}

main "$@"
