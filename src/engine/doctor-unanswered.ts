/** A host that gave no answer, in doctor's words: why, and the command that shows the same to a person. */
import type { Environment } from '../domain/environment.ts';
import type { Host } from '../domain/host.ts';
import { plainText } from '../domain/host-answer.ts';
import type { NoAnswerKind } from '../domain/host-outcome.ts';
import type { RemoteAnswer } from '../ports/remote.ts';
import { broken, type Finding } from '../ports/self-check.ts';

export function unansweredFinding(
  what: string,
  host: Host,
  {
    answer: { why, message },
    environment,
  }: {
    readonly answer: Extract<RemoteAnswer, { kind: 'no-answer' }>;
    readonly environment: Environment;
  },
): Finding {
  // The host is named beside it already.
  const own = `${host.name} (`;
  const text = oneLine(message);
  const end = text.indexOf('): ');
  const found =
    text.startsWith(own) && end > 0
      ? `${WHY[why]} at ${text.slice(own.length, end)}: ${text.slice(end + 3)}`
      : `${WHY[why]}: ${text}`;
  return broken(what, found, mendOf(why, host, environment));
}

export function oneLine(text: string): string {
  return plainText(text).replaceAll(/\s*\n\s*/g, ' / ');
}

/** What a person types to go the same way. */
function sshCommand(
  host: Pick<Host, 'address' | 'port'>,
  { user, port, identityFiles, jump }: Environment['ssh'],
): string {
  const there = host.port ?? port;
  const [key] = identityFiles;
  const hops = jump.map((hop) => `${hop.user}@${hop.host}${hop.port === 22 ? '' : `:${hop.port}`}`);
  return [
    'ssh',
    ...(there === 22 ? [] : ['-p', String(there)]),
    ...(key === undefined ? [] : ['-i', key]),
    ...(hops.length === 0 ? [] : ['-J', hops.join(',')]),
    `${user === '' ? 'USER' : user}@${host.address}`,
  ].join(' ');
}

const WHY: Readonly<Record<NoAnswerKind, string>> = {
  cancelled: 'called off',
  unreachable: 'out of reach',
  denied: 'not let in',
  'host-key-mismatch': 'it shows another host key',
  'host-key-unknown': 'its host key is not known',
  'sudo-refused': 'sudo refuses',
  'delivery-failed': 'nothing could be delivered',
  'timed-out': 'no answer in time',
  unknown: 'the answer broke off',
};

/** Never a fetched key alone, which may be anybody's: with what it is compared, by a way that is not in doubt. */
function hostKeyMend(host: Host, { inventory, ssh }: Pick<Environment, 'inventory' | 'ssh'>): string {
  const known = ssh.knownHosts[0] ?? 'a known_hosts file';
  const vm = `${host.name} --zone=${host.zone}${host.project === undefined ? '' : ` --project=${host.project}`}`;
  const printed = "the host's own console prints for: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub";
  if (inventory.kind !== 'gce')
    return `compare the fingerprint with what ${printed}; only where it is the same, put the key into ${known}`;
  return inventory.publishedHostKeys
    ? `gcloud compute instances add-metadata ${vm} --metadata=enable-guest-attributes=TRUE, then reboot it once; or compare the fingerprint with what ${printed}, and put the key into ${known}`
    : `compare the key with: gcloud compute instances get-guest-attributes ${vm} --query-path=hostkeys/ (or the fingerprint with what ${printed}); only where it is the same, put it into ${known}`;
}

function mendOf(why: NoAnswerKind, host: Host, { inventory, ssh, file }: Environment): string {
  const user = ssh.user === '' ? 'USER' : ssh.user;
  switch (why) {
    case 'host-key-unknown':
    case 'host-key-mismatch':
      return hostKeyMend(host, { inventory, ssh });
    case 'denied':
      return `try: ${sshCommand(host, ssh)}; look at ssh.user, ssh.identityFiles and ssh.agent in ${file}`;
    case 'sudo-refused':
      return `give ${user} a sudoers rule without a password, as the README has it; try on the host: sudo -n true`;
    default:
      return `try: ${sshCommand(host, ssh)}; look at inventory.address, ssh.jump and ssh.proxyCommand in ${file}, and at the firewall`;
  }
}
