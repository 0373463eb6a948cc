/** What this machine has to be let in with: keys and agent, and the host keys it knows. Connects to nobody. */
import { access, constants, stat } from 'node:fs/promises';
import type { SshSettings } from '../../domain/connection.ts';
import type { SecretReader } from '../../ports/secrets.ts';
import { broken, doubtful, type Finding, fine, type SelfCheck } from '../../ports/self-check.ts';
import { loadCredentials } from './credentials.ts';
import { createKnownHostsReader, type KnownHosts } from './known-hosts.ts';

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

async function knownFindings({
  settings,
  published,
  file,
}: Pick<SshCheckOptions, 'settings' | 'published' | 'file'>): Promise<Finding[]> {
  const known = await createKnownHostsReader(settings.knownHosts)();
  const what = 'known host keys';
  if (known.unreadable.length === 0) return [fine(what, known.files.join(', '))];
  const found = `not readable: ${known.unreadable.join(', ')}`;
  if (published) return publishedFindings(known);
  return known.unreadable.length === known.files.length
    ? [
        broken(
          what,
          `${found}: no host key would be known`,
          `set ssh.knownHosts in ${file}, or fill it: ${fillWords(known.files[0] ?? 'FILE')}`,
        ),
      ]
    : [doubtful(what, found, `look at ssh.knownHosts in ${file}`)];
}

/** A key that was only fetched may be anybody's: it is compared by a way that is not in doubt, before it counts. */
function fillWords(file: string): string {
  return `ssh-keyscan HOST > keys.new; ssh-keygen -lf keys.new; compare each fingerprint with what the host's own console prints for ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub (in Google Cloud also: gcloud compute instances get-guest-attributes HOST --query-path=hostkeys/); only where they are the same: cat keys.new >> ${file}`;
}

/** A file that is not there is no failing where the VMs publish their keys; one that is there and cannot be read is. */
function publishedFindings({ files, unreadable }: KnownHosts): Finding[] {
  const what = 'known host keys';
  const gone = unreadable.flatMap((one) =>
    one.endsWith(NOT_THERE) ? [one.slice(0, -NOT_THERE.length)] : [],
  );
  const closed = unreadable.filter((one) => !one.endsWith(NOT_THERE));
  if (closed.length > 0)
    return [
      doubtful(
        what,
        `published by the VMs; not readable: ${closed.join(', ')}`,
        `chmod u+r ${closed[0]?.replace(/ \([^()]*\)$/u, '') ?? 'FILE'}`,
      ),
    ];
  const [verb, noun] = gone.length === 1 ? ['does', 'file'] : ['do', 'files'];
  const rest =
    gone.length === files.length
      ? 'only published keys count'
      : `published keys count, then ${files.filter((file) => !gone.includes(file)).join(', ')}`;
  return [fine(what, `known hosts ${noun} ${gone.join(', ')} ${verb} not exist; ${rest}`)];
}

const NOT_THERE = ' (does not exist)';

/** The same without asking an agent: are the files there that the settings name, and for nobody else. */
export function sshFileChecks({
  settings,
  published,
  file,
}: Pick<SshCheckOptions, 'settings' | 'published' | 'file'>): SelfCheck[] {
  return [
    {
      area: 'credentials',
      what: 'SSH keys',
      whenSilent: 'look at ssh.identityFiles: is a file on a network drive?',
      async run() {
        const found = await Promise.all(
          settings.identityFiles.map(async (path): Promise<Finding[]> => {
            const why = await whyClosed(path);
            return why === null
              ? [fine('SSH keys', `${path} is there`), ...(await readableByOthers(path))]
              : [
                  broken(
                    'SSH keys',
                    `${path} ${why}`,
                    `put the key there, or set ssh.identityFiles in ${file}`,
                  ),
                ];
          }),
        );
        return found.flat();
      },
    },
    {
      area: 'credentials',
      what: 'known host keys',
      whenSilent: 'look at ssh.knownHosts: is a file on a network drive?',
      run: () => knownFindings({ settings, published, file }),
    },
  ];
}

async function whyClosed(path: string): Promise<string | null> {
  try {
    if (!(await stat(path)).isFile()) return 'is not a file';
    await access(path, constants.R_OK);
    return null;
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    return code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
  }
}
