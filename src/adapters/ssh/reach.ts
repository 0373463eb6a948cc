/**
 * Gets a connection to a host of the inventory: knows first which keys it may show, then connects.
 *
 * RE1  All of it stays inside the connect time. RE2  After a refusal for its key a host is tried once more, and only when who
 * publishes keys has something new to say (EK4).
 */
import type { Result } from '../../domain/result.ts';
import type { RemoteHost } from '../../ports/remote.ts';
import type { ConnectFailure, SshConnection, SshTarget } from './connection.ts';
import { establish, type OpenWay, type Surroundings } from './establish.ts';
import type { ExpectedKeys } from './expected-keys.ts';
import type { Expectation } from './host-key.ts';
import type { Slot } from './ramp.ts';

export interface ReachOptions {
  readonly host: RemoteHost;
  readonly target: SshTarget;
  readonly around: Surroundings;
  readonly expectedKeys: ExpectedKeys;
  /** Most that it may take, ms; the settings' connect time if that is less. */
  readonly withinMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly through?: OpenWay;
  readonly slot?: Slot;
}

export async function reach(options: ReachOptions): Promise<Result<SshConnection, ConnectFailure>> {
  const { host, target, around, expectedKeys, signal } = options;
  const { clock, known } = around;
  const until = clock.now() + Math.min(options.withinMs, around.settings.connectTimeoutMs);
  const left = (): number => Math.max(1, until - clock.now());
  const question = () => ({ host, names: target.names, known, withinMs: Math.ceil(left() / 2), signal });
  const connect = (expected: Expectation) =>
    establish({
      target,
      around,
      expected,
      withinMs: left(),
      signal,
      ...(options.through === undefined ? {} : { through: options.through }),
      ...(options.slot === undefined ? {} : { slot: options.slot }),
    });

  const expected = await expectedKeys.expect(question());
  const first = await connect(expected);
  if (first.ok || (first.error.why !== 'host-key-mismatch' && first.error.why !== 'host-key-unknown'))
    return first;
  const anew = await expectedKeys.expectAfresh(question(), expected);
  return anew === null ? first : connect(anew);
}
