/** Where the floor is: what ssh2 alone takes for a host, and what the cryptography of one handshake takes alone. */
import { createHash, diffieHellman, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import ssh2, { type ParsedKey } from 'ssh2';
import { type BenchRow, measure } from './row.ts';
import type { SshBed } from './ssh-bed.ts';

/** A loop over ssh2 with nothing of rollout: no limits, no retries, no order of steps; the same text on the same stdin. */
export async function bareSsh2(
  bed: SshBed,
  { addresses, atOnce, command, text, what }: BareRun,
): Promise<BenchRow> {
  const parsed = ssh2.utils.parseKey(readFileSync(bed.identity));
  const key = (Array.isArray(parsed) ? parsed[0] : parsed) as ParsedKey;
  const one = (address: string): Promise<boolean> =>
    new Promise((resolve) => {
      const client = new ssh2.Client();
      client.on('error', () => resolve(false));
      client.on('ready', () =>
        client.exec(command, (error, channel) => {
          if (error) {
            resolve(false);
            return;
          }
          let exit: number | null = null;
          channel.on('data', () => {});
          channel.stderr.on('data', () => {});
          channel.on('exit', (code: number | null) => {
            exit = code;
          });
          channel.on('close', () => {
            client.end();
            resolve(exit === 0);
          });
          channel.end(text);
        }),
      );
      client.connect({
        sock: connect({ host: address, port: bed.sshd.port, noDelay: true }),
        username: bed.sshd.user,
        readyTimeout: 0,
        authHandler: (_left, _partial, next) => next({ type: 'publickey', username: bed.sshd.user, key }),
        algorithms: { serverHostKey: ['ssh-ed25519'] },
        hostVerifier: () => true,
      });
    });
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let address = addresses[next++]; address !== undefined; address = addresses[next++])
      if (await one(address)) done += 1;
  };
  const { wallMs, cpuMs } = await measure(() => Promise.all(Array.from({ length: atOnce }, worker)));
  return { name: 'bare ssh2 loop', what, wallMs, cpuMs, note: `floor: ${done} of ${addresses.length} done` };
}

export interface BareRun {
  readonly addresses: readonly string[];
  readonly atOnce: number;
  readonly command: string;
  readonly text: string;
  readonly what: string;
}

/** The client's part of so many handshakes: curve25519-sha256, a host key and a login by ed25519, the six derived keys. */
export async function keyExchangeAlone(times: number, what: string): Promise<BenchRow> {
  const host = generateKeyPairSync('ed25519');
  const own = generateKeyPairSync('ed25519');
  const theirs = generateKeyPairSync('x25519');
  const transcript = randomBytes(1_500);
  const signature = sign(null, createHash('sha256').update(transcript).digest(), host.privateKey);
  const { wallMs, cpuMs } = await measure(() => {
    for (let i = 0; i < times; i += 1) {
      const mine = generateKeyPairSync('x25519');
      diffieHellman({ privateKey: mine.privateKey, publicKey: theirs.publicKey });
      const exchange = createHash('sha256').update(transcript).digest();
      if (!verify(null, exchange, host.publicKey, signature)) throw new Error('bug: not verified');
      for (let derived = 0; derived < 6; derived += 1) createHash('sha256').update(exchange).digest();
      sign(null, exchange, own.privateKey);
    }
  });
  return { name: 'key exchange alone', what, wallMs, cpuMs, note: 'floor: the cryptography, no packet sent' };
}
