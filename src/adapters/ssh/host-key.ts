/**
 * Judges the key that a host shows, and says how to mend a refusal.
 *
 * HK1  Only a key that is published for this host, or that a known_hosts file holds for it, is taken; where keys are published,
 * only those. HK2  The types held are asked for first: a host with several keys is not refused because it would rather show
 * another one. HK3  A key that known_hosts marks @revoked is refused whoever publishes it. There is no option to skip any of this.
 */
import type { ServerHostKeyAlgorithm } from 'ssh2';
import type { PublishedKey } from '../../ports/host-keys.ts';
import { fingerprint, type HostKeys, type KnownHosts, keyType } from './known-hosts.ts';

/** Which keys a host may show, and how that is known. */
export type Expectation =
  | {
      readonly kind: 'known-hosts';
      readonly held: HostKeys;
      readonly known: KnownHosts;
      /** Why no published key counts, with the mend; null where nobody publishes keys. */
      readonly unpublished: { readonly kind: 'none' | 'unavailable'; readonly said: string } | null;
    }
  | {
      readonly kind: 'published';
      readonly keys: readonly PublishedKey[];
      /** Who published them, such as `guest attributes`. */
      readonly source: string;
      readonly revoked: HostKeys['revoked'];
      /** What else a refusal should say; empty: nothing. */
      readonly note: string;
    };

export type HostKeyVerdict =
  | { readonly kind: 'known' }
  | { readonly kind: 'host-key-unknown' | 'host-key-mismatch'; readonly message: string };

/** Where the key was shown; for messages. */
export interface ShownBy {
  /** Such as `web-1 (10.0.0.1:22)`. */
  readonly label: string;
  readonly address: string;
  readonly port: number;
}

/** SHA-1 signatures (`ssh-rsa`) are left out, as OpenSSH does since 8.8. */
const ALGORITHMS: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** Algorithms to offer: those of the keys held first (HK2), then the rest, so that a strange key can be named in the refusal. */
export function hostKeyAlgorithms(expected: Expectation): ServerHostKeyAlgorithm[] {
  const keys = expected.kind === 'published' ? expected.keys : expected.held.keys;
  const types = [...keys.map((key) => key.type), ...Object.keys(ALGORITHMS)];
  return [
    ...new Set(types.flatMap((type) => (Object.hasOwn(ALGORITHMS, type) ? (ALGORITHMS[type] ?? []) : []))),
  ];
}

/** Compares the key shown with those expected. */
export function judgeHostKey(shown: Buffer, expected: Expectation, by: ShownBy): HostKeyVerdict {
  const print = `${keyType(shown)} ${fingerprint(shown)}`;
  const revoked = expected.kind === 'published' ? expected.revoked : expected.held.revoked;
  const bad = revoked.find((key) => key.blob.equals(shown));
  if (bad !== undefined) {
    return {
      kind: 'host-key-mismatch',
      message: `${by.label} shows the host key ${print}, which ${bad.file}:${bad.line} marks @revoked. Nothing was run. Do not connect until somebody has explained why the host still has this key.`,
    };
  }
  const keys = expected.kind === 'published' ? expected.keys : expected.held.keys;
  if (keys.some((key) => shown.equals(key.blob))) return { kind: 'known' };
  return expected.kind === 'published'
    ? unlikePublished(print, expected, by)
    : unlikeKnown(shown, expected, by);
}

type Published = Extract<Expectation, { kind: 'published' }>;
type FromFiles = Extract<Expectation, { kind: 'known-hosts' }>;

function unlikePublished(print: string, { keys, source, note }: Published, by: ShownBy): HostKeyVerdict {
  const list = keys.map((key) => `${key.type} ${fingerprint(key.blob)}`).join(', ') || 'none that agrees';
  const more = note === '' ? '' : ` ${note}`;
  return {
    kind: 'host-key-mismatch',
    message: `${by.label} shows the host key ${print}, but published for it (${source}) is ${list}.${more} Either somebody is in between, or ${by.address} is another host's address now, or its keys were made anew and are not published. Nothing was run. If they were made anew on purpose, have the host publish the new ones.`,
  };
}

function unlikeKnown(shown: Buffer, { held, known, unpublished }: FromFiles, by: ShownBy): HostKeyVerdict {
  const print = `${keyType(shown)} ${fingerprint(shown)}`;
  const published = unpublished === null ? '' : `${unpublished.said}; `;
  const [first] = held.keys;
  if (first === undefined) {
    const files = known.files.join(', ') || 'no known_hosts file is configured (ssh.knownHosts)';
    const unreadable = known.unreadable.length === 0 ? '' : ` Not readable: ${known.unreadable.join(', ')}.`;
    const authority =
      held.authority === null
        ? ''
        : ` ${held.authority.file}:${held.authority.line} trusts an authority for it, but host certificates cannot be checked here: the plain key is needed.`;
    return {
      kind: 'host-key-unknown',
      message: `no host key of ${by.label} is known (${published}looked in ${files}); it shows ${print}.${unreadable}${authority} Compare that fingerprint with what its own console prints for: ${consoleCommand(shown)}; only where it is the same: ssh-keyscan ${portFlag(by.port)}${by.address} >> ${known.files[0] ?? 'KNOWN_HOSTS_FILE'}`,
    };
  }
  const expected = held.keys
    .map((key) => `${key.type} ${fingerprint(key.blob)} (${key.file}:${key.line})`)
    .join(', ');
  const aside = unpublished === null ? '' : ` (${unpublished.said})`;
  return {
    kind: 'host-key-mismatch',
    message: `${by.label} shows the host key ${print}, but known for ${held.name} is ${expected}${aside}. Either somebody is in between, or the host was made anew. Nothing was run. If it was made anew, and its own console prints the shown fingerprint for: ${consoleCommand(shown)}; then: ssh-keygen -f ${first.file} -R '${held.name}', and ssh-keyscan ${portFlag(by.port)}${by.address} >> ${first.file}`,
  };
}

/** What shows the fingerprint by another way than the one that is in doubt: typed on the host's console, not over SSH. */
function consoleCommand(shown: Buffer): string {
  const type = keyType(shown)
    .replace(/^ssh-/u, '')
    .replace(/^ecdsa-.*$/u, 'ecdsa');
  return `ssh-keygen -lf /etc/ssh/ssh_host_${/^[a-z0-9]+$/u.test(type) ? type : 'ed25519'}_key.pub`;
}

function portFlag(port: number): string {
  return port === 22 ? '' : `-p ${port} `;
}
