/**
 * One authenticated SSH connection, from the first packet to its end.
 *
 * CN1  Every attempt ends once, as a value, within its time. CN2  A failure is told apart by the phase it came in, not by the
 * words of a message. CN3  No socket outlives its failure, and no 'error' event goes unheard.
 */
import { connect, type Socket } from 'node:net';
import ssh2, { type Client } from 'ssh2';
import type { NoAnswerKind } from '../../domain/host-outcome.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Credentials } from './credentials.ts';
import { type Expectation, type HostKeyVerdict, hostKeyAlgorithms, judgeHostKey } from './host-key.ts';
import { createOffers } from './offers.ts';
import { after } from './timing.ts';
import type { Way } from './way.ts';

export interface SshTarget {
  /** For messages, such as `web-1 (10.0.0.1:22)`. */
  readonly label: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** Names in known_hosts' form, most trusted first. */
  readonly names: readonly string[];
}

export interface ConnectFailure {
  readonly why: Extract<
    NoAnswerKind,
    'cancelled' | 'unreachable' | 'denied' | 'host-key-mismatch' | 'host-key-unknown'
  >;
  readonly message: string;
  /** The host took the TCP connection and let it drop before the keys were exchanged, as a full MaxStartups does: worth another try. */
  readonly dropped: boolean;
  /** The way there is too narrow for what we do at once: dropped, or no end of the key exchange in time. */
  readonly strained: boolean;
}

export interface SshConnection {
  readonly client: Client;
  /** Resolves with the reason when the connection is gone; never rejects. */
  readonly lost: Promise<string>;
  /** Ends it without a wait. May be repeated. */
  close(): void;
}

export interface ConnectOptions {
  readonly target: SshTarget;
  /** Which host keys count. */
  readonly expected: Expectation;
  readonly credentials: Credentials;
  readonly keepaliveMs: number;
  /** For this attempt, ms. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Absent: a TCP connection is made. */
  readonly through?: Way;
  /** Told whenever the host has sent something, for as long as the connection lives. */
  readonly onHeard?: () => void;
}

/** Unanswered keepalives after which a connection is dead. */
const KEEPALIVES = 3;

/** How long a peer may take to end its side after we said goodbye, ms. */
const GOODBYE_MS = 1_000;

type Phase = 'connecting' | 'exchanging keys' | 'authenticating';

export function openConnection(options: ConnectOptions): Promise<Result<SshConnection, ConnectFailure>> {
  const { target, credentials, clock, signal, expected, through } = options;
  return new Promise((resolve) => {
    const client = new ssh2.Client();
    const socket = through?.stream ?? dial(target);
    const lost = Promise.withResolvers<string>();
    const offers = createOffers(target.user, credentials);
    let phase: Phase = 'connecting';
    let verdict: HostKeyVerdict | null = null;
    let settled = false;

    const destroy = (): void => {
      client.end();
      socket.destroy();
    };
    const close = (): void => {
      lost.resolve('closed by us');
      client.end();
      if (socket.destroyed) return;
      const stop = after(clock, GOODBYE_MS, destroy);
      socket.once('close', stop);
    };
    const settle = (result: Result<SshConnection, ConnectFailure>): void => {
      if (settled) return;
      settled = true;
      stopTimer();
      signal?.removeEventListener('abort', cancel);
      if (!result.ok) destroy();
      resolve(result);
    };
    const fail = (why: ConnectFailure['why'], message: string, dropped = false, strained = dropped): void =>
      settle(err({ why, message, dropped, strained }));
    const cancel = (): void => fail('cancelled', `${target.label}: cancelled before it began`);
    const stopTimer = after(clock, options.timeoutMs, () =>
      fail(
        'unreachable',
        `${target.label} was still ${phase} after ${options.timeoutMs} ms${through?.said?.() ?? ''}`,
        false,
        phase === 'exchanging keys',
      ),
    );
    const broke = (what: string, code: string | number | undefined, level: string | undefined): void => {
      const end = through?.ended?.() ?? null;
      if (verdict !== null && verdict.kind !== 'known') {
        fail(verdict.kind, verdict.message);
      } else if (
        phase === 'authenticating' &&
        (level === 'client-authentication' || typeof code === 'number')
      ) {
        fail('denied', offers.denial(target.label, what));
      } else if (end !== null) {
        fail(
          'unreachable',
          `${target.label}: ${end.message} while ${phase}${through?.said?.() ?? ''}`,
          end.dropped && phase !== 'authenticating',
        );
      } else {
        const dropped = phase === 'exchanging keys' && level !== 'handshake' && typeof code !== 'number';
        fail('unreachable', `${target.label}: ${what} while ${phase}`, dropped);
      }
    };

    client.on('error', (error: Error & { level?: string; code?: string | number }) => {
      // An agent that cannot sign is one method less, and the next one is tried.
      if (error.level === 'agent') offers.note(error.message);
      else if (settled) lost.resolve(spoken(error));
      else broke(spoken(error), error.code, error.level);
    });
    const ended = (): void => {
      if (settled) lost.resolve(through?.ended?.()?.message ?? 'the connection was closed');
      else broke('the connection was closed', undefined, undefined);
    };
    client.on('end', ended).on('close', ended);
    client.on('connect', () => {
      phase = 'exchanging keys';
    });
    client.on('handshake', () => {
      phase = 'authenticating';
      leaveKeysUnproven(client);
    });
    client.on('ready', () => settle(ok({ client, lost: lost.promise, close })));
    socket.on('error', () => {});

    if (signal?.aborted) {
      cancel();
      return;
    }
    signal?.addEventListener('abort', cancel, { once: true });
    client.connect({
      sock: socket,
      username: target.user,
      // Our own timer bounds the whole attempt.
      readyTimeout: 0,
      keepaliveInterval: options.keepaliveMs,
      keepaliveCountMax: KEEPALIVES,
      authHandler: offers.next,
      algorithms: { serverHostKey: hostKeyAlgorithms(expected) },
      hostVerifier: (key: Buffer) => {
        verdict = judgeHostKey(key, expected, target);
        return verdict.kind === 'known';
      },
    });
    // After ssh2's own listener: what it is told of has been read.
    if (options.onHeard !== undefined) socket.on('data', options.onHeard);
  });
}

/**
 * After a login, OpenSSH's server names all its host keys, and ssh2 has it prove that it holds each (PROTOCOL, 2.5): a signature by
 * each of them there, an RSA one among them, before our command is looked at, and a check of each here. It is meant for clients that write
 * new keys down; we do not, and the key that counts was proven in the key exchange. ssh2 asks only who called itself OpenSSH and has no
 * setting for it, so its note of that is cleared; should it lie elsewhere one day, the keys are proven again and nothing else changes.
 */
function leaveKeysUnproven(client: Client): void {
  (client as unknown as { _remoteVer: string })._remoteVer = '';
}

function dial(target: SshTarget): Socket {
  return connect({
    host: target.address,
    port: target.port,
    // Nagle against delayed ACK costs some 40 ms a round trip of the handshake.
    noDelay: true,
    // Node's 250 ms for each of a name's addresses is too short for a far host.
    autoSelectFamilyAttemptTimeout: 2_000,
  });
}

const SPOKEN: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused (nothing listens there)',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'no route to it',
  ENOTFOUND: 'its name does not resolve (ENOTFOUND)',
  EAI_AGAIN: 'its name does not resolve now (EAI_AGAIN)',
  ETIMEDOUT: 'no answer (ETIMEDOUT)',
  ECONNRESET: 'connection reset',
};

/** The system's code first: it says more than the sentence around it. */
function spoken(error: Error & { code?: string | number }): string {
  return SPOKEN[String(error.code)] ?? error.message;
}
