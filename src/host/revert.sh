# shellcheck shell=sh
# Puts the previous package back, whatever the upgrade left behind, makes the service what it was before the order, and
# proves the running executable.

main() {
  begin revert "$@"
  require order environment fence prove_ms lock_timeout_s target_sha256 target_size target_version target_exe \
    target_exe_sha256 previous_sha256 previous_size previous_version previous_exe previous_exe_sha256
  need_tools
  hold_lock
  check_fence
  look
  refuse_drift
  remember
  if ! in_place "$previous_version" "$previous_exe" "$previous_exe_sha256"; then
    rm -f "$PACKAGES"/.*.part
    # The way back may need the room that the version to leave takes.
    [ "$(free_kib "$PACKAGES")" -ge $((MARGIN_KIB + previous_size / 200)) ] || rm -f "$PACKAGES/$target_sha256.deb"
    stage previous "$previous_sha256" "$previous_size"
    install_package previous "$previous_sha256" "$previous_version" "$previous_exe" "$previous_exe_sha256"
  fi
  settle "$previous_exe_sha256"
  prove_agent "$previous_version" "$previous_exe" "$previous_exe_sha256"
  prune
  finish 0
}

# A third version, or none, wholly installed is somebody's later decision; a broken state is ours to mend.
refuse_drift() {
  case $package_state:$package_version in
    broken:* | "installed:$previous_version" | "installed:$target_version") return 0 ;;
  esac
  drop_incoming
  refuse drift 76 "$package ${package_version:-(none)} is installed; expected $previous_version or $target_version: somebody has changed it since"
}

main "$@"
