/**
 * Can real hosts be booted on this machine, and if not, why? Run as a program it prints the reasons and exits 1; with
 * nothing to say it exits 0.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Commands of the rig, each with the Debian package that has it (scripts/debian-packages.sh installs them). */
const COMMANDS: Readonly<Record<string, string>> = {
  debootstrap: 'debootstrap',
  'systemd-nspawn': 'systemd-container',
  'dpkg-deb': 'dpkg',
  'apt-get': 'apt',
  gcc: 'gcc',
  openssl: 'openssl',
  ip: 'iproute2',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  sysctl: 'procps',
  flock: 'util-linux',
  nsenter: 'util-linux',
  fallocate: 'util-linux',
};

function isInstalled(command: string): boolean {
  for (const folder of `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`.split(
    delimiter,
  )) {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      // Not in this folder: the next one.
    }
  }
  return false;
}

/** The reasons, one a line; empty when the rig can run. Changes nothing. */
export function whyImpossible(): readonly string[] {
  if (process.platform !== 'linux') return [`real hosts need Linux; this is ${process.platform}`];
  const reasons: string[] = [];
  if (process.arch !== 'x64')
    reasons.push(`the agent package is built for amd64; this machine is ${process.arch}`);
  const missing = Object.keys(COMMANDS).filter((command) => !isInstalled(command));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((command) => COMMANDS[command]))].join(' ');
    reasons.push(
      `missing: ${missing.join(', ')}; run scripts/debian-packages.sh, or: apt-get install ${packages}`,
    );
  }
  if (process.getuid?.() !== 0) {
    reasons.push('booting hosts needs root; run the tests as root');
    return reasons;
  }
  if (
    !/\soverlay$/m.test(readFileSync('/proc/filesystems', 'utf8')) &&
    spawnSync('modprobe', ['overlay']).status !== 0
  )
    reasons.push('the kernel has no overlay file system');
  const unified = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup'].find((path) =>
    existsSync(join(path, 'cgroup.procs')),
  );
  if (unified === undefined)
    reasons.push('no cgroup v2 hierarchy at /sys/fs/cgroup or /sys/fs/cgroup/unified');
  else {
    try {
      accessSync(join(unified, 'cgroup.procs'), constants.W_OK);
    } catch {
      reasons.push(
        `${unified} cannot be written: cgroups are read-only here, as in an unprivileged container`,
      );
    }
  }
  if (missing.length === 0) {
    const spaces = spawnSync('unshare', ['--mount', '--net', '--pid', '--fork', 'true'], {
      encoding: 'utf8',
    });
    if (spaces.status !== 0) reasons.push(`new namespaces are refused: ${(spaces.stderr ?? '').trim()}`);
  }
  return reasons;
}

if (import.meta.main) {
  const reasons = whyImpossible();
  for (const reason of reasons) console.log(reason);
  process.exit(reasons.length === 0 ? 0 : 1);
}
