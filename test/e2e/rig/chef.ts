/** A stand-in for chef-client on a host, as GitLab's hosts have it: a timer that starts the agent, and the shims that tell it off. */
import type { RigHost } from './host.ts';

const FILES: Readonly<Record<string, { readonly text: string; readonly mode: string }>> = {
  '/usr/bin/chef-client': {
    mode: '755',
    text: `#!/bin/sh
[ ! -e /etc/chef/client.disabled ] || exit 0
systemctl start osqueryd
echo "run ended with $?" >> /var/log/chef-client.log`,
  },
  '/usr/local/sbin/chef-client-disable': {
    mode: '755',
    text: `#!/bin/sh
printf '%s\\n' "$*" > /etc/chef/client.disabled`,
  },
  '/usr/local/sbin/chef-client-enable': { mode: '755', text: '#!/bin/sh\nrm -f /etc/chef/client.disabled' },
  '/usr/local/sbin/chef-client-is-enabled': {
    mode: '755',
    text: '#!/bin/sh\n[ ! -e /etc/chef/client.disabled ]',
  },
  '/etc/systemd/system/chef-client.service': {
    mode: '644',
    text: '[Service]\nType=oneshot\nExecStart=/usr/bin/chef-client',
  },
  '/etc/systemd/system/chef-client.timer': {
    mode: '644',
    text: '[Timer]\nOnActiveSec=1s\nOnUnitInactiveSec=2s\nAccuracySec=100ms\n[Install]\nWantedBy=timers.target',
  },
};

/** From now on chef-client runs every 2 s and starts the agent, until it is told off. */
export async function installChef(host: RigHost): Promise<void> {
  for (const [path, { text, mode }] of Object.entries(FILES)) {
    await host.sh(
      `mkdir -p /etc/chef "$(dirname ${path})" && cat > ${path} <<'END'\n${text}\nEND\nchmod ${mode} ${path}`,
    );
  }
  await host.sh('systemctl daemon-reload && systemctl enable -q --now chef-client.timer');
}

/** How often it has run to its end, enabled. */
export async function chefRuns(host: RigHost): Promise<number> {
  return Number(await host.sh('cat /var/log/chef-client.log 2>/dev/null | wc -l'));
}
