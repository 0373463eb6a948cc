/**
 * What we prove ourselves with: identity files, then the agent's keys. Read once, and never shown: messages name files and
 * fingerprints alone.
 *
 * OpenSSH user certificates are not offered: ssh2 1.17 signs with the certificate's algorithm name in the signature where
 * OpenSSH wants the plain key's (`sshkey_verify`), and drops certificates out of an agent's list as an unknown key type; see
 * https://github.com/mscdex/ssh2/pull/1486. A `-cert.pub` beside a key is named when the host denies us.
 */
import { readFile, stat } from 'node:fs/promises';
import ssh2, {
  type BaseAgent,
  type IdentityCallback,
  type ParsedKey,
  type SignCallback,
  type SigningRequestOptions,
} from 'ssh2';
import type { SecretRef } from '../../domain/connection.ts';
import type { Result } from '../../domain/result.ts';
import type { SecretReader } from '../../ports/secrets.ts';
import { fingerprint } from './known-hosts.ts';

export type Credential =
  | { readonly kind: 'key'; readonly label: string; readonly key: ParsedKey }
  | { readonly kind: 'agent'; readonly label: string; readonly agent: BaseAgent };

export interface Credentials {
  /** In the order in which they are offered. */
  readonly usable: readonly Credential[];
  /** What is configured and could not be used, with why. */
  readonly notes: readonly string[];
}

export interface CredentialSources {
  readonly identityFiles: readonly string[];
  readonly passphrase?: SecretRef;
  /** Path of the agent's socket; absent when no agent is to be used. */
  readonly agentSocket?: string;
  /** The settings ask for an agent. */
  readonly wantsAgent: boolean;
  readonly secrets: SecretReader;
}

/** Reads every source. A source that fails becomes a note, never an error: another may do. */
export async function loadCredentials(sources: CredentialSources): Promise<Credentials> {
  const usable: Credential[] = [];
  const notes: string[] = [];
  for (const path of sources.identityFiles) {
    const read = await readIdentity(path, sources);
    if (read.ok) usable.push({ kind: 'key', label: `${path} (${described(read.value)})`, key: read.value });
    else notes.push(read.error);
    const certificate = `${path}-cert.pub`;
    if ((await stat(certificate).catch(() => null)) !== null) {
      notes.push(`${certificate}: user certificates cannot be offered, the plain key is`);
    }
  }
  if (sources.wantsAgent) await addAgent(sources.agentSocket, usable, notes);
  return { usable, notes };
}

async function addAgent(socket: string | undefined, usable: Credential[], notes: string[]): Promise<void> {
  if (socket === undefined) {
    notes.push('agent: SSH_AUTH_SOCK is not set');
    return;
  }
  const agent = ssh2.createAgent(socket);
  const keys = await listKeys(agent);
  if (!keys.ok) {
    notes.push(`agent at ${socket}: ${keys.error}`);
  } else if (keys.value.length === 0) {
    notes.push(`agent at ${socket}: holds no key that can be used (ssh-add -l)`);
  } else {
    const list = keys.value.map(described).join(', ');
    usable.push({
      kind: 'agent',
      label: `agent at ${socket} (${list})`,
      agent: new ListedAgent(agent, keys.value),
    });
  }
}

async function readIdentity(path: string, sources: CredentialSources): Promise<Result<ParsedKey, string>> {
  let text: Buffer;
  try {
    text = await readFile(path);
  } catch (cause) {
    return { ok: false, error: `${path}: cannot be read (${(cause as NodeJS.ErrnoException).code})` };
  }
  const plain = parsed(text);
  if (plain.ok || !isEncrypted(text)) {
    return plain.ok
      ? plain
      : { ok: false, error: `${path}: is no private key that can be read (${plain.error})` };
  }
  if (sources.passphrase === undefined) {
    return { ok: false, error: `${path}: is encrypted and no passphrase is configured (ssh.passphrase)` };
  }
  const passphrase = await sources.secrets.read(sources.passphrase);
  if (!passphrase.ok) return { ok: false, error: `${path}: is encrypted and ${passphrase.error}` };
  const opened = parsed(text, passphrase.value);
  return opened.ok
    ? opened
    : { ok: false, error: `${path}: is encrypted and the configured passphrase does not open it` };
}

function parsed(text: Buffer, passphrase?: string): Result<ParsedKey, string> {
  const key: ParsedKey | Error = ssh2.utils.parseKey(text, passphrase);
  if (key instanceof Error) return { ok: false, error: key.message };
  // The newer OpenSSH format is answered as a list, of one key so far.
  const [only] = Array.isArray(key) ? (key as ParsedKey[]) : [key];
  return only?.isPrivateKey() ? { ok: true, value: only } : { ok: false, error: 'it holds a public key' };
}

/** PEM says so in a header, PuTTY in a line, OpenSSH's format by a cipher name in its first bytes. */
function isEncrypted(file: Buffer): boolean {
  const text = file.toString('latin1');
  if (/ENCRYPTED|^Encryption: (?!none)/m.test(text)) return true;
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+?)-----END/.exec(text)?.[1];
  if (body === undefined) return false;
  const blob = Buffer.from(body, 'base64');
  const magic = 'openssh-key-v1\0';
  return (
    blob.toString('latin1', 0, magic.length) === magic &&
    !blob
      .subarray(magic.length + 4)
      .toString('latin1')
      .startsWith('none')
  );
}

function described(key: ParsedKey): string {
  return `${key.type} ${fingerprint(key.getPublicSSH())}`;
}

/** An agent that was asked for its list once, and not once a host. It still signs each time. */
class ListedAgent extends ssh2.BaseAgent {
  readonly #inner: BaseAgent;
  readonly #keys: ParsedKey[];

  constructor(inner: BaseAgent, keys: readonly ParsedKey[]) {
    super();
    this.#inner = inner;
    this.#keys = [...keys];
  }

  override getIdentities(callback: IdentityCallback<ParsedKey>): void {
    callback(null, this.#keys);
  }

  override sign(
    key: ParsedKey | Buffer | string,
    data: Buffer,
    options: SigningRequestOptions | SignCallback,
    callback?: SignCallback,
  ): void {
    if (typeof options === 'function') this.#inner.sign(key, data, options);
    else if (callback !== undefined) this.#inner.sign(key, data, options, callback);
  }
}

function listKeys(agent: BaseAgent): Promise<Result<readonly ParsedKey[], string>> {
  return new Promise((resolve) => {
    agent.getIdentities((error, keys) => {
      if (error) resolve({ ok: false, error: `does not answer (${error.message})` });
      else resolve({ ok: true, value: (keys ?? []) as readonly ParsedKey[] });
    });
  });
}
