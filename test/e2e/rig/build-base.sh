#!/bin/bash
# Builds the root file system that every rig host is laid over: Debian 12 with systemd, sshd, sudo, curl and process-exporter.
# Usage: build-base.sh FOLDER      makes FOLDER/rootfs and FOLDER/id_ed25519 (the key that may log in as ops and root).
# Does nothing when FOLDER is whole. The caller names FOLDER after a hash of this file, so that a change here builds anew.
# The hosts must never change it: it is only ever the lower layer of an overlay.
set -euo pipefail
target=$1
[ -e "$target/rootfs/.rig-base" ] && exit 0

mkdir -p "${target%/*}"
exec 9> "${target%/*}/build.lock"
flock 9 # another run with another prefix may be building the same
[ -e "$target/rootfs/.rig-base" ] && exit 0
find "${target%/*}" -maxdepth 1 -name 'base-*' ! -path "$target" -mtime +7 -exec rm -rf {} +

work=$target.building
rm -rf "$work"
mkdir -p "$work"
root=$work/rootfs

# The mirror this machine's own apt uses, so that a private mirror is honoured; else debootstrap's own default.
# shellcheck disable=SC2016 # apt's own placeholders
mirror=$(apt-get indextargets --format '$(IDENTIFIER) $(CODENAME) $(COMPONENT) $(REPO_URI)' 2>/dev/null |
  awk '$1 == "Packages" && $2 == "bookworm" && $3 == "main" { print $4; exit }')
include=systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,procps,iproute2,curl,prometheus-process-exporter
if ! debootstrap --variant=minbase --include="$include" bookworm "$root" ${mirror:+"$mirror"} > "$work/debootstrap.log" 2>&1; then
  echo "debootstrap failed; the end of its log:" >&2
  tail -n 20 "$work/debootstrap.log" >&2
  exit 1
fi
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/etc/ssh/ssh_host_*

ssh-keygen -q -t ed25519 -N '' -C rollout-rig -f "$work/id_ed25519"
chroot "$root" useradd --create-home --shell /bin/bash --uid 1000 ops
install -d -m 700 -o 1000 -g 1000 "$root/home/ops/.ssh"
install -m 600 -o 1000 -g 1000 "$work/id_ed25519.pub" "$root/home/ops/.ssh/authorized_keys"
echo 'ops ALL=(ALL) NOPASSWD:ALL' > "$root/etc/sudoers.d/ops"
chmod 440 "$root/etc/sudoers.d/ops"

# MaxStartups: sshd's default of 10:30:100 drops bursts of connections at random, which would look like a fault.
cat > "$root/etc/ssh/sshd_config.d/rig.conf" <<'X'
UseDNS no
PasswordAuthentication no
MaxStartups 100
MaxSessions 100
X
mkdir -p "$root/etc/systemd/system.conf.d" "$root/etc/systemd/journald.conf.d"
# On cgroup v1 the accounting is off unless asked for.
cat > "$root/etc/systemd/system.conf.d/rig.conf" <<'X'
[Manager]
DefaultCPUAccounting=yes
DefaultMemoryAccounting=yes
DefaultTasksAccounting=yes
DefaultTimeoutStopSec=10s
X
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n' > "$root/etc/systemd/journald.conf.d/rig.conf"
# user@.service: a manager for each login of somebody who starts nothing there.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
  fstrim.timer console-getty.service getty.target getty@tty1.service systemd-timesyncd.service user@.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# Each of them runs at every daemon-reload of dozens of hosts, to find disks that no container has.
mkdir -p "$root/etc/systemd/system-generators"
for disk in cryptsetup fstab gpt-auto hibernate-resume integritysetup veritysetup; do
  ln -sf /dev/null "$root/etc/systemd/system-generators/systemd-$disk-generator"
done
ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
: > "$root/etc/machine-id" # else every host would have the same id
ln -sf /etc/machine-id "$root/var/lib/dbus/machine-id"
: > "$root/etc/resolv.conf"
: > "$root/etc/apt/sources.list" # no way out: apt has what is handed to it, nothing else

# Debian's default tracks no process at all; and it needs the right to read other users' /proc.
echo 'ARGS="-procnames osqueryd -threads=false"' > "$root/etc/default/prometheus-process-exporter"
mkdir -p "$root/etc/systemd/system/prometheus-process-exporter.service.d"
printf '[Service]\nAmbientCapabilities=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH\n' \
  > "$root/etc/systemd/system/prometheus-process-exporter.service.d/rig.conf"

# PID 1's first step. systemd-nspawn mounts cgroup v1 controllers read-only; systemd takes cpu and cpuacct for one
# hierarchy. Where they are two, only one can be shown under both names: RIG_CGROUPS=acct makes CPUUsageNSec work and
# CPUQuota= do nothing, RIG_CGROUPS=quota the other way round.
cat > "$root/sbin/rig-init" <<'X'
#!/bin/sh
if [ "$RIG_CGROUPS" = acct ] && [ -d /sys/fs/cgroup/cpuacct ] && ! [ -L /sys/fs/cgroup/cpuacct ]; then
  mount --bind /sys/fs/cgroup/cpuacct /sys/fs/cgroup/cpu
fi
for controller in cpu cpuacct memory pids; do
  [ -d "/sys/fs/cgroup/$controller" ] && mount -o remount,bind,rw "/sys/fs/cgroup/$controller"
done
unset RIG_CGROUPS
[ ! -e /etc/inittab ] || exec /sbin/init # lay-sysvinit.sh
exec /lib/systemd/systemd
X
chmod 755 "$root/sbin/rig-init"

touch "$root/.rig-base"
rm -rf "$target"
mv "$work" "$target"
