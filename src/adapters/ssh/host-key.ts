/**
 * Judges the key that a host shows, and says how to mend a refusal.
 *
 * HK1  Only a key that a known_hosts file holds for this host is taken. HK2  The types held are asked for first: a host with
 * several keys is not refused because it would rather show another one. There is no option to skip any of this.
 */
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { fingerprint, type HostKeys, type KnownHosts, keyType } from './known-hosts.ts';

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
export function hostKeyAlgorithms(held: HostKeys): ServerHostKeyAlgorithm[] {
  const types = [...held.keys.map((key) => key.type), ...Object.keys(ALGORITHMS)];
  return [...new Set(types.flatMap((type) => ALGORITHMS[type] ?? []))];
}

/** Compares the key shown with those held. */
export function judgeHostKey(shown: Buffer, held: HostKeys, known: KnownHosts, by: ShownBy): HostKeyVerdict {
  const print = `${keyType(shown)} ${fingerprint(shown)}`;
  const revoked = held.revoked.find((key) => key.blob.equals(shown));
  if (revoked !== undefined) {
    return {
      kind: 'host-key-mismatch',
      message: `${by.label} shows the host key ${print}, which ${revoked.file}:${revoked.line} marks @revoked. Nothing was run. Do not connect until somebody has explained why the host still has this key.`,
    };
  }
  if (held.keys.some((key) => key.blob.equals(shown))) return { kind: 'known' };
  const files = known.files.join(', ') || 'no known_hosts file is configured (ssh.knownHosts)';
  const [first] = held.keys;
  if (first === undefined) {
    const unreadable = known.unreadable.length === 0 ? '' : ` Not readable: ${known.unreadable.join(', ')}.`;
    const authority =
      held.authority === null
        ? ''
        : ` ${held.authority.file}:${held.authority.line} trusts an authority for it, but host certificates cannot be checked here: the plain key is needed.`;
    return {
      kind: 'host-key-unknown',
      message: `no host key of ${by.label} is known (looked in ${files}); it shows ${print}.${unreadable}${authority} Compare that fingerprint with one from a source you trust, then: ssh-keyscan ${portFlag(by.port)}${by.address} >> ${known.files[0] ?? 'KNOWN_HOSTS_FILE'}`,
    };
  }
  const expected = held.keys
    .map((key) => `${key.type} ${fingerprint(key.blob)} (${key.file}:${key.line})`)
    .join(', ');
  return {
    kind: 'host-key-mismatch',
    message: `${by.label} shows the host key ${print}, but known for ${held.name} is ${expected}. Either somebody is in between, or the host was made anew. Nothing was run. If it was made anew: ssh-keygen -f ${first.file} -R '${held.name}', then ssh-keyscan ${portFlag(by.port)}${by.address} >> ${first.file} and compare the fingerprint.`,
  };
}

function portFlag(port: number): string {
  return port === 22 ? '' : `-p ${port} `;
}
