/**
 * A thousand hosts in folders: what sshd's user finds as `sudo` and `systemctl` knows by the address that was connected to which
 * folder is meant. Peers' commands and the real host programs meet the same stand-ins.
 */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentRef } from '../src/domain/host-order.ts';
import type { SshBed } from './ssh-bed.ts';

export const AGENT: AgentRef = {
  package: 'osquery',
  service: 'osqueryd',
  executable: '/opt/osquery/bin/osqueryd',
};

const PID = 4242;

/** SSH_CONNECTION: client's address and port, then ours. */
const SUDO = `shift
to=\${SSH_CONNECTION#* * } to=\${to%% *}
export ROLLOUT_ROOT=HOSTS/$to
exec "$@"`;

const SYSTEMCTL = `#!/bin/sh
# Stand-in: what is stopped has a mark, and no process any more.
case " $* " in
  *' show '*)
    if [ -e "$ROLLOUT_ROOT/stopped" ]; then state=inactive sub=dead pid=0; else state=active sub=running pid=${PID}; fi
    [ -L "$ROLLOUT_ROOT/etc/systemd/system/${AGENT.service}.service" ] && file=masked || file=enabled
    case " $* " in *' -p Id,'*) exit 0 ;; esac
    printf '%s\\n' LoadState=loaded ActiveState=$state SubState=$sub UnitFileState=$file MainPID=$pid NRestarts=0 ExecMainStatus=0 \\
      ExecMainStartTimestampMonotonic=1000000 CPUUsageNSec=1000000 MemoryCurrent=1000000 ControlGroup=/system.slice/osqueryd.service \\
      Result=success NeedDaemonReload=no
    ;;
  *' stop '*) : >"$ROLLOUT_ROOT/stopped"; rm -rf "$ROLLOUT_ROOT/proc/${PID}" ;;
  *' mask '*) ln -sf /dev/null "$ROLLOUT_ROOT/etc/systemd/system/${AGENT.service}.service" ;;
esac
exit 0
`;

/** Puts the stand-ins where the bed's sshd finds them. */
export function installStandIns(bed: SshBed): void {
  bed.sshd.sudo(SUDO.replace('HOSTS', join(bed.folder, 'hosts')));
  writeFileSync(join(bed.sshd.folder, 'bin', 'systemctl'), SYSTEMCTL, { mode: 0o755 });
}

/** Makes so many hosts anew, each with the agent running. */
export function startAgents(bed: SshBed, count: number): void {
  const hosts = join(bed.folder, 'hosts');
  rmSync(hosts, { recursive: true, force: true });
  for (const address of bed.addresses.slice(0, count)) {
    const root = join(hosts, address);
    const proc = join(root, `proc/${PID}`);
    for (const folder of ['etc/systemd/system', 'var/lib', 'run', 'proc/sys/kernel', 'opt/osquery/bin'])
      mkdirSync(join(root, folder), { recursive: true });
    mkdirSync(proc);
    symlinkSync(AGENT.executable, join(proc, 'exe'));
    writeFileSync(join(proc, 'comm'), 'osqueryd\n');
    writeFileSync(
      join(proc, 'stat'),
      `${PID} (osqueryd) S 1 1 1 0 -1 0 0 0 0 0 10 10 0 0 20 0 1 0 1000 0 0\n`,
    );
    writeFileSync(join(proc, 'cgroup'), '0::/system.slice/osqueryd.service\n');
    writeFileSync(join(root, 'proc/uptime'), '5000.00 9000.00\n');
    writeFileSync(join(root, 'proc/sys/kernel/hostname'), `${address}\n`);
  }
}
