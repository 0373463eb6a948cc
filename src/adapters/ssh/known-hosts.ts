/**
 * known_hosts: which keys a host may show. The format is sshd(8)'s "SSH_KNOWN_HOSTS FILE FORMAT": plain names, patterns with
 * `*`, `?` and `!`, `[host]:port`, names hashed as `|1|salt|HMAC-SHA1`, and the markers @revoked and @cert-authority.
 *
 * KH1  No key is trusted that no file holds. KH2  A revoked key is refused under every name.
 * KH3  A host certificate's authority is no host key: ssh2 cannot check host certificates, so such a line vouches for nothing.
 */
import { createHash, createHmac } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../ports/clock.ts';

export interface KnownKey {
  /** As in the file, such as `ssh-ed25519`. */
  readonly type: string;
  readonly blob: Buffer;
  readonly file: string;
  readonly line: number;
}

interface KnownLine extends KnownKey {
  readonly marker: 'revoked' | 'cert-authority' | null;
  /** Patterns that have to be tried one by one: hashed or with wildcards. */
  readonly patterns: readonly string[];
}

/** What the files say of one host. */
export interface HostKeys {
  /** The name under which the keys were found: the first of the names that has any. */
  readonly name: string;
  readonly keys: readonly KnownKey[];
  readonly revoked: readonly KnownKey[];
  /** A certificate authority is set for this host, which does not help us (KH3). */
  readonly authority: KnownKey | null;
}

export interface KnownHosts {
  readonly files: readonly string[];
  /** Files that could not be read, with why. A file that is not there is among them. */
  readonly unreadable: readonly string[];
  /**
   * `names` as known_hosts writes them (see `lookupName`), in the order of trust: the first one with a key decides, since an
   * address may have been an earlier VM's.
   */
  lookUp(names: readonly string[]): HostKeys;
}

/** Reads the files; reads again only when they have changed since, so that a key added while we run is seen. */
export function createKnownHostsReader(files: readonly string[]): () => Promise<KnownHosts> {
  let last: { stamp: string; known: KnownHosts } | null = null;
  return async () => {
    const stamps = await Promise.all(
      files.map(async (file) => {
        const found = await stat(file).catch(() => null);
        return found === null ? '-' : `${found.mtimeMs}/${found.size}/${found.ino}`;
      }),
    );
    const stamp = stamps.join(' ');
    if (last?.stamp === stamp) return last.known;
    const unreadable: string[] = [];
    const texts = await Promise.all(
      files.map((file) =>
        readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
          unreadable.push(`${file} (${cause.code === 'ENOENT' ? 'does not exist' : cause.code})`);
          return '';
        }),
      ),
    );
    const lines = texts.flatMap((text, index) => parseKnownHosts(text, files[index] ?? ''));
    last = { stamp, known: indexed(files, unreadable, lines) };
    return last.known;
  };
}

export interface RecentKnownHosts {
  /** What the files held not longer than RECENT_MS ago; the same object for as long as they do not change. */
  recent(): Promise<KnownHosts>;
  /** What they hold now. */
  now(): Promise<KnownHosts>;
}

/**
 * For how long the files are not looked at again, ms: with hundreds of hosts a second, looking for each costs more than the look-up.
 * Before a host is refused for what they lack, they are looked at once more.
 */
const RECENT_MS = 250;

export function recently(read: () => Promise<KnownHosts>, clock: Clock): RecentKnownHosts {
  let last: { readonly at: number; readonly known: Promise<KnownHosts> } | null = null;
  const now = (): Promise<KnownHosts> => {
    const known = read();
    last = { at: clock.now(), known };
    return known;
  };
  return {
    now,
    recent() {
      const age = last === null ? -1 : clock.now() - last.at;
      return last !== null && age >= 0 && age < RECENT_MS ? last.known : now();
    },
  };
}

/** `SHA256:...` as ssh and ssh-keygen print it. */
export function fingerprint(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** The key's type as its own bytes say it; empty when they say nothing. */
export function keyType(blob: Buffer): string {
  if (blob.length < 4) return '';
  const length = blob.readUInt32BE(0);
  return length > 64 || blob.length < 4 + length ? '' : blob.toString('latin1', 4, 4 + length);
}

/** Lines that are no entry are left out, as ssh does. */
export function parseKnownHosts(text: string, file: string): readonly KnownLine[] {
  return text.split('\n').flatMap((raw, index) => {
    const words = raw.trim().split(/[ \t]+/);
    if (words[0] === undefined || words[0] === '' || words[0].startsWith('#')) return [];
    const marker = words[0].startsWith('@') ? words.shift() : null;
    if (marker !== null && marker !== '@revoked' && marker !== '@cert-authority') return [];
    const [names, type, base64] = words;
    if (names === undefined || type === undefined || base64 === undefined) return [];
    const blob = Buffer.from(base64, 'base64');
    if (keyType(blob) !== type) return [];
    const kind = marker === '@revoked' ? 'revoked' : marker === '@cert-authority' ? 'cert-authority' : null;
    return [
      { marker: kind, patterns: names.split(','), type, blob, file, line: index + 1 } satisfies KnownLine,
    ];
  });
}

function indexed(
  files: readonly string[],
  unreadable: readonly string[],
  lines: readonly KnownLine[],
): KnownHosts {
  const plain = new Map<string, KnownLine[]>();
  const toTry: KnownLine[] = [];
  for (const line of lines) {
    if (line.patterns.some((pattern) => /^\||[*?!]/.test(pattern))) {
      toTry.push(line);
      continue;
    }
    for (const pattern of line.patterns) {
      const name = pattern.toLowerCase();
      const there = plain.get(name);
      if (there === undefined) plain.set(name, [line]);
      else there.push(line);
    }
  }
  const linesFor = (name: string): KnownLine[] => [
    ...(plain.get(name) ?? []),
    ...toTry.filter((line) => matches(line.patterns, name)),
  ];
  return {
    files,
    unreadable,
    lookUp(names) {
      let decided: { name: string; keys: KnownLine[] } | null = null;
      const revoked: KnownLine[] = [];
      let authority: KnownLine | null = null;
      for (const name of names) {
        const found = linesFor(name.toLowerCase());
        const keys = found.filter((line) => line.marker === null);
        revoked.push(...found.filter((line) => line.marker === 'revoked'));
        authority ??= found.find((line) => line.marker === 'cert-authority') ?? null;
        if (keys.length > 0) decided ??= { name, keys };
      }
      return { name: decided?.name ?? names[0] ?? '', keys: decided?.keys ?? [], revoked, authority };
    },
  };
}

/** The name as known_hosts has it: bare for port 22, else `[host]:port`. */
export function lookupName(name: string, port: number): string {
  return port === 22 ? name : `[${name}]:${port}`;
}

function matches(patterns: readonly string[], name: string): boolean {
  let found = false;
  for (const pattern of patterns) {
    if (pattern.startsWith('|')) {
      if (hashMatches(pattern, name)) found = true;
    } else if (pattern.startsWith('!')) {
      if (globMatches(pattern.slice(1), name)) return false;
    } else if (globMatches(pattern, name)) {
      found = true;
    }
  }
  return found;
}

function hashMatches(pattern: string, name: string): boolean {
  const [, version, salt, hash] = pattern.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
}

/** `*` and `?` alone are special; in linear time, since the pattern is not ours. */
function globMatches(glob: string, name: string): boolean {
  const pattern = glob.toLowerCase();
  let p = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p += 1;
      n += 1;
    } else if (star !== -1) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}
