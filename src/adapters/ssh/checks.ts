/** What this machine has to be let in with: keys and agent, and the host keys it knows. Connects to nobody. */
import { stat } from 'node:fs/promises';
import type { SshSettings } from '../../domain/connection.ts';
import type { SecretReader } from '../../ports/secrets.ts';
import { broken, doubtful, type Finding, fine, type SelfCheck } from '../../ports/self-check.ts';
import { loadCredentials } from './credentials.ts';
import { createKnownHostsReader } from './known-hosts.ts';

export interface SshCheckOptions {
  readonly settings: SshSettings;
  readonly secrets: SecretReader;
  readonly agentSocket?: string;
  /** Host keys are published by the hosts' cloud, so that known_hosts is only a fallback. */
  readonly published: boolean;
  /** The environment's file, for mends. */
  readonly file: string;
}

export function sshChecks(options: SshCheckOptions): SelfCheck[] {
  return [
    {
      area: 'credentials',
      what: 'SSH keys',
      whenSilent: 'look at the agent: ssh-add -l',
      run: () => keyFindings(options),
    },
    {
      area: 'credentials',
      what: 'known host keys',
      whenSilent: 'look at ssh.knownHosts: is a file on a network drive?',
      run: () => knownFindings(options),
    },
  ];
}

async function keyFindings({ settings, secrets, agentSocket, file }: SshCheckOptions): Promise<Finding[]> {
  const { usable, notes } = await loadCredentials({
    identityFiles: settings.identityFiles,
    ...(settings.passphrase === undefined ? {} : { passphrase: settings.passphrase }),
    ...(agentSocket === undefined ? {} : { agentSocket }),
    wantsAgent: settings.agent,
    secrets,
  });
  const mend = settings.agent
    ? `ssh-add -l; ssh-add FILE, or set ssh.identityFiles in ${file}`
    : `set ssh.identityFiles, or ssh.agent: true, in ${file}`;
  const found = notes.join('; ');
  const [first] = usable;
  if (first === undefined)
    return [broken('SSH keys', found === '' ? 'neither a key nor an agent is configured' : found, mend)];
  const has = usable.map(({ label }) => label).join('; ');
  const open = (await Promise.all(settings.identityFiles.map(readableByOthers))).flat();
  return [
    notes.length === 0 ? fine('SSH keys', has) : doubtful('SSH keys', `${has}; but ${found}`, mend),
    ...open,
  ];
}

async function readableByOthers(path: string): Promise<Finding[]> {
  const found = await stat(path).catch(() => null);
  if (found === null || (found.mode & 0o077) === 0) return [];
  const mode = (found.mode & 0o777).toString(8);
  return [
    doubtful('SSH keys', `${path} has mode 0${mode}: others on this machine can use it`, `chmod 600 ${path}`),
  ];
}

async function knownFindings({ settings, published, file }: SshCheckOptions): Promise<Finding[]> {
  const known = await createKnownHostsReader(settings.knownHosts)();
  const what = 'known host keys';
  if (known.unreadable.length === 0) return [fine(what, known.files.join(', '))];
  const found = `not readable: ${known.unreadable.join(', ')}`;
  if (published) return [fine(what, `published by the VMs; ${found}, which would be asked next`)];
  return known.unreadable.length === known.files.length
    ? [
        broken(
          what,
          `${found}: no host key would be known`,
          `set ssh.knownHosts in ${file}, or fill it: ssh-keyscan HOST >> ${known.files[0] ?? 'FILE'}`,
        ),
      ]
    : [doubtful(what, found, `look at ssh.knownHosts in ${file}`)];
}
