#!/bin/bash
# Makes the layer of a host that has an agent package installed and its service enabled, without booting anything: hosts
# laid over it start with the agent running, and go back to that state by throwing their own layer away.
# Usage: lay-agent.sh FOLDER BASE_ROOTFS FILE.deb      makes FOLDER/upper; does nothing when it is whole
set -euo pipefail
folder=$1 base=$2 package=$3
mkdir -p "${folder%/*}"
exec 9> "$folder.lock"
flock 9
[ -e "$folder/ready" ] && exit 0
rm -rf "$folder"
mkdir -p "$folder"/{upper,work,root}
mount -t overlay rig-layer -o "lowerdir=$base,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
trap 'umount "$folder/root"' EXIT
cp "$package" "$folder/root/agent.deb"
chroot "$folder/root" dpkg --install /agent.deb > "$folder/dpkg.log" 2>&1 || { cat "$folder/dpkg.log" >&2; exit 1; }
chroot "$folder/root" systemctl --quiet enable osqueryd
rm "$folder/root/agent.deb"
umount "$folder/root"
trap - EXIT
rm -rf "$folder/work"
touch "$folder/ready"
