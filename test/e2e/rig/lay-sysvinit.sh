#!/bin/bash
# Makes the layer of a host whose PID 1 is sysvinit, with an init script for the agent: what `service`, `update-rc.d` and
# runlevels do there is the real thing. It boots straight into runlevel 2: mounts and network are the rig's affair.
# Usage: lay-sysvinit.sh FOLDER LOWER      makes FOLDER/upper over LOWER (overlay syntax); does nothing when it is whole
set -euo pipefail
folder=$1 lower=$2
mkdir -p "${folder%/*}"
exec 9> "$folder.lock"
flock 9
[ -e "$folder/ready" ] && exit 0
rm -rf "$folder"
mkdir -p "$folder"/{upper,work,root,packages}
(cd "$folder/packages" && apt-get download sysvinit-core sysv-rc initscripts insserv startpar) > "$folder/download.log" 2>&1 ||
  { cat "$folder/download.log" >&2; exit 1; }
mount -t overlay rig-layer -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
trap 'umount "$folder/root"' EXIT
root=$folder/root
cp "$folder"/packages/*.deb "$root/tmp/"
chroot "$root" sh -c '
  export DEBIAN_FRONTEND=noninteractive
  dpkg --force-depends --force-remove-essential --force-remove-protected --purge systemd-sysv libpam-systemd
  dpkg --install /tmp/*.deb' > "$folder/dpkg.log" 2>&1 || { cat "$folder/dpkg.log" >&2; exit 1; }
rm "$root"/tmp/*.deb
mv "$root/bin/systemctl" "$root/root/systemctl-of-systemd" # left behind by the base; this host has no systemd

cat > "$root/etc/inittab" <<'X'
id:2:initdefault:
si::sysinit:/bin/sh -c 'mkdir -p /run/sshd /run/lock; chmod 1777 /run/lock; hostname -F /etc/hostname'
l0:0:wait:/etc/init.d/rc 0
l2:2:wait:/etc/init.d/rc 2
l6:6:wait:/etc/init.d/rc 6
up:2:once:/bin/touch /run/rig-booted
st:2:respawn:/bin/sleep infinity
X
cat > "$root/etc/init.d/osqueryd" <<'X'
#!/bin/sh
### BEGIN INIT INFO
# Provides:          osqueryd
# Required-Start:    $remote_fs
# Required-Stop:     $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: agent
### END INIT INFO
daemon=/opt/osquery/bin/osqueryd
pidfile=/run/osqueryd.pid
case $1 in
  start) start-stop-daemon --start --quiet --oknodo --background --make-pidfile --pidfile "$pidfile" --exec "$daemon" ;;
  stop) start-stop-daemon --stop --quiet --oknodo --retry TERM/5/KILL/5 --pidfile "$pidfile" --remove-pidfile ;;
  restart | force-reload) "$0" stop && "$0" start ;;
  status) start-stop-daemon --status --pidfile "$pidfile" ;;
  *) echo "usage: $0 start|stop|restart|status" >&2; exit 2 ;;
esac
X
chmod 755 "$root/etc/init.d/osqueryd"
chroot "$root" sh -c 'update-rc.d osqueryd defaults; update-rc.d ssh defaults; update-rc.d -f prometheus-process-exporter remove' \
  > "$folder/services.log" 2>&1
umount "$root"
trap - EXIT
rm -rf "$folder/work" "$folder/packages"
touch "$folder/ready"
