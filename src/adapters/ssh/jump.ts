/**
 * Jump hosts: one connection to each, shared by all hosts behind it, made anew when it died.
 *
 * J1  A jump host's key is checked like any other, by known_hosts: it is in no inventory, so that nobody publishes its keys.
 * J2  A jump connection that breaks costs the hosts on it their connection, never the ones after.
 * J3  A jump host that refuses us is asked again some seconds later, not for each of the hosts behind it: many refused logins in a
 *     row have us locked out there.
 */
import type { SshSettings } from '../../domain/connection.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { ConnectFailure, SshConnection } from './connection.ts';
import { establish, type Surroundings } from './establish.ts';
import { fromKnownHosts } from './expected-keys.ts';
import { lookupName } from './known-hosts.ts';
import type { Way } from './way.ts';

export interface JumpChain {
  /** A stream to the address from the last jump host. */
  open(address: string, port: number, around: Surroundings): Promise<Result<Way, ConnectFailure>>;
  close(): void;
}

type Hop = SshSettings['jump'][number];

/** Null when there is no jump host. Later hops are reached through earlier ones. */
export function createJumpChain(hops: SshSettings['jump']): JumpChain | null {
  let chain: JumpChain | null = null;
  for (const hop of hops) chain = createJump(hop, chain);
  return chain;
}

/** J3, ms. */
const REFUSED_MS = 5_000;

/** RFC 4254, section 5.1. */
const PROHIBITED = 1;

function createJump(hop: Hop, before: JumpChain | null): JumpChain {
  let shared: Promise<Result<SshConnection, ConnectFailure>> | null = null;
  let refusedAt: number | null = null;
  const closing = new AbortController();
  const label = `jump host ${hop.host}:${hop.port}`;

  const connection = (around: Surroundings): Promise<Result<SshConnection, ConnectFailure>> => {
    const { clock } = around;
    const age = refusedAt === null ? 0 : clock.now() - refusedAt;
    const isStale = age < 0 || age >= REFUSED_MS;
    if (shared !== null && !isStale) return shared;
    refusedAt = null;
    const names = [lookupName(hop.host, hop.port)];
    const user = hop.user === '' ? around.user : hop.user;
    const mine = establish({
      target: { label, address: hop.host, port: hop.port, user, names },
      around,
      expected: fromKnownHosts(around.known, names),
      withinMs: around.settings.connectTimeoutMs,
      // Not a host's own: others wait for the same connection.
      signal: closing.signal,
      ...(before === null ? {} : { through: () => before.open(hop.host, hop.port, around) }),
    });
    shared = mine;
    const forget = (): void => {
      if (shared === mine) shared = null;
    };
    void mine.then((result) => {
      if (result.ok) void result.value.lost.then(forget);
      else if (result.error.why === 'unreachable' || result.error.why === 'cancelled') forget();
      else if (shared === mine) refusedAt = clock.now();
    });
    return mine;
  };

  return {
    async open(address, port, around) {
      const jump = await connection(around);
      if (!jump.ok) return jump;
      const failed = (message: string): Result<Way, ConnectFailure> =>
        err({
          why: 'unreachable',
          message: `${label} cannot reach ${address}:${port}: ${message}`,
          dropped: false,
          strained: false,
        });
      return new Promise((resolve) => {
        void jump.value.lost.then((why) => resolve(failed(why)));
        try {
          jump.value.client.forwardOut('127.0.0.1', 0, address, port, (error, channel) => {
            if (error === undefined) resolve(ok({ stream: channel }));
            else if ((error as Error & { reason?: number }).reason === PROHIBITED) {
              resolve(failed('it forbids forwarding (AllowTcpForwarding, PermitOpen)'));
            } else resolve(failed(error.message));
          });
        } catch (cause) {
          resolve(failed((cause as Error).message));
        }
      });
    },
    close() {
      closing.abort();
      void shared?.then((result) => result.ok && result.value.close());
      shared = null;
      before?.close();
    },
  };
}
