# shellcheck shell=sh
# Tells an armed host that the version stays, or to wait on.

main() {
  begin confirm "$@"
  refuse unsupported 69 'this version arms nothing'
}

main "$@"
