#!/bin/bash
# Builds one stand-in osquery package, laid out as upstream's 5.x: /opt/osquery/bin/osqueryd behind a link in /usr/bin,
# /etc/default/osqueryd the only conffile, a unit with Restart=on-failure, and maintainer scripts that only reload systemd:
# installing does not start, upgrading does not restart, removing does not stop.
# Usage: build-agent.sh FILE.deb      settings by environment, all needed:
#   AGENT_VERSION AGENT_ENVIRONMENT AGENT_FAIL_POSTINST AGENT_PADDING_KIB AGENT_CPU_QUOTA_PERCENT (0: none), and those that
#   agent.c explains: AGENT_CPU_PERCENT AGENT_BURN_PERCENT AGENT_BURN_AFTER_MS AGENT_BURN_FOR_MS AGENT_BURN_ROLE
#   AGENT_MEMORY_MIB AGENT_LEAK_KIB_PER_S AGENT_CRASH_AFTER_MS AGENT_FAIL_START AGENT_RESULTS_EVERY_MS
#   AGENT_DATABASE_VERSION AGENT_STARVE_SSHD
# The same settings give the same bytes.
set -euo pipefail
package=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1700000000
root=$work/root
umask 022
mkdir -p "$root"/{DEBIAN,opt/osquery/bin,opt/osquery/share,usr/bin,usr/lib/systemd/system,etc/osquery,etc/default,var/osquery,var/log/osquery}

defines=()
for name in VERSION ENVIRONMENT BURN_ROLE; do
  value=AGENT_$name
  defines+=("-D$name=\"${!value}\"")
done
for name in CPU_PERCENT BURN_PERCENT BURN_AFTER_MS BURN_FOR_MS MEMORY_MIB LEAK_KIB_PER_S CRASH_AFTER_MS FAIL_START \
  RESULTS_EVERY_MS DATABASE_VERSION STARVE_SSHD; do
  value=AGENT_$name
  defines+=("-D$name=${!value}")
done
gcc -O1 -static -s -Wall -o "$root/opt/osquery/bin/osqueryd" "${defines[@]}" "$here/agent.c"
ln -s /opt/osquery/bin/osqueryd "$root/usr/bin/osqueryd"
# Random-looking but reproducible: does not compress away, so that the file's size is about what was asked for.
openssl enc -aes-128-ctr -nosalt -K 00000000000000000000000000000001 -iv 00000000000000000000000000000000 \
  -in /dev/zero 2>/dev/null | head -c "$((AGENT_PADDING_KIB * 1024))" > "$root/opt/osquery/share/padding" || true
echo "--disable_events=true" > "$root/etc/osquery/osquery.flags"
printf 'FLAG_FILE="/etc/osquery/osquery.flags"\n' > "$root/etc/default/osqueryd"

cat > "$root/usr/lib/systemd/system/osqueryd.service" <<'X'
[Unit]
Description=The osquery Daemon

[Service]
EnvironmentFile=/etc/default/osqueryd
ExecStart=/opt/osquery/bin/osqueryd --flagfile $FLAG_FILE
Restart=on-failure
KillMode=control-group
KillSignal=SIGTERM
TimeoutStopSec=15

[Install]
WantedBy=multi-user.target
X
if [ "$AGENT_CPU_QUOTA_PERCENT" != 0 ]; then
  sed -i "s/^TimeoutStopSec=.*/&\nCPUQuota=$AGENT_CPU_QUOTA_PERCENT%/" "$root/usr/lib/systemd/system/osqueryd.service"
fi

cat > "$root/DEBIAN/control" <<X
Package: osquery
Version: $AGENT_VERSION-1.linux
Architecture: amd64
Maintainer: rig <rig@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Section: default
Priority: extra
Description: stand-in osquery $AGENT_VERSION for $AGENT_ENVIRONMENT
X
echo /etc/default/osqueryd > "$root/DEBIAN/conffiles"
for script in postinst postrm; do
  cat > "$root/DEBIAN/$script" <<'X'
#!/bin/sh
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
X
done
if [ "$AGENT_FAIL_POSTINST" = 1 ]; then
  printf 'echo "osquery: the install script of this version fails" >&2\nexit 1\n' >> "$root/DEBIAN/postinst"
fi
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/postrm"

find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zgzip --build "$root" "$work/agent.deb" > /dev/null
mkdir -p "${package%/*}"
mv "$work/agent.deb" "$package.$$"
mv "$package.$$" "$package"
