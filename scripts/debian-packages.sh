#!/bin/bash
# Installs what the real-host tests need from Debian: only what is missing, and saying so. Nothing else in this project
# installs Debian packages. What it is for: test/e2e/rig (hosts under systemd-nspawn), shellcheck for the host programs.
set -euo pipefail

packages=(
  debootstrap systemd-container   # the hosts
  dpkg-dev gcc libc6-dev openssl  # the stand-in agent's packages
  iproute2 procps util-linux      # network, namespaces, locks
  openssh-client openssh-server   # host keys, and an sshd for the fan-out measurements
  shellcheck                      # the shell programs' own lint
)

say() { echo "debian-packages: $*" >&2; }

if ! command -v apt-get > /dev/null || ! command -v dpkg-query > /dev/null; then
  say "this machine has no apt: install the equivalents of ${packages[*]} by its own means"
  exit 1
fi
missing=()
for package in "${packages[@]}"; do
  # shellcheck disable=SC2016 # dpkg-query's own placeholder
  state=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2> /dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
# The tests' Prometheus is Debian's, unpacked into a cache and not installed; apt must only know where it is.
candidate=$(apt-cache policy prometheus 2> /dev/null | sed -n 's/^ *Candidate: //p')
[ "$candidate" = '(none)' ] && candidate=
if [ "${#missing[@]}" = 0 ] && [ -n "$candidate" ]; then
  say "everything is there"
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  say "not root: nothing is installed. As root, this would do it:"
  say "  apt-get update && apt-get install --yes --no-install-recommends ${missing[*]}"
  exit 1
fi
say "reading apt's lists"
apt-get --quiet=2 update
if [ "${#missing[@]}" -gt 0 ]; then
  say "installing ${missing[*]}"
  # openssh-server is here for its program: do not let its installation start a daemon on this machine.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
  fi
  DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 --option DPkg::Lock::Timeout=120 \
    install --yes --no-install-recommends "${missing[@]}"
fi
say "done"
