#!/bin/sh
# Stand-in for `update-rc.d NAME enable|disable|defaults` in the embedded fleet: one runlevel, links without a target.
R=${ROLLOUT_ROOT:?}
name=$1
mkdir -p "$R/etc/rc2.d"
case $2 in
  defaults) ln -sfn "../init.d/$name" "$R/etc/rc2.d/S01$name" ;;
  enable)
    for link in "$R"/etc/rc2.d/[SK]01"$name"; do [ ! -L "$link" ] || found=yes; done
    if [ -z "${found:-}" ]; then
      echo "update-rc.d: error: no runlevel symlinks to modify, aborting!" >&2
      exit 1
    fi
    rm -f "$R/etc/rc2.d/K01$name"
    ln -sfn "../init.d/$name" "$R/etc/rc2.d/S01$name"
    ;;
  disable)
    rm -f "$R/etc/rc2.d/S01$name"
    ln -sfn "../init.d/$name" "$R/etc/rc2.d/K01$name"
    ;;
esac
