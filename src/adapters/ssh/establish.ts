/**
 * Gets a connection to a host: past a full MaxStartups, and through the jump hosts.
 *
 * E1  Every retry stays inside the connect time. E2  Only a connection that was dropped before the keys were exchanged is
 * tried again: nothing can have run.
 */
import type { SshSettings } from '../../domain/connection.ts';
import { err, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import { type ConnectFailure, openConnection, type SshConnection, type SshTarget } from './connection.ts';
import type { Credentials } from './credentials.ts';
import type { Expectation } from './host-key.ts';
import type { KnownHosts } from './known-hosts.ts';
import type { Slot } from './ramp.ts';
import type { Way } from './way.ts';

export interface Surroundings {
  readonly settings: SshSettings;
  readonly clock: Clock;
  readonly known: KnownHosts;
  readonly credentials: Credentials;
  /** Who it is that logs in, where a jump host is given no name. */
  readonly user: string;
}

export type OpenWay = (signal: AbortSignal | undefined) => Promise<Result<Way, ConnectFailure>>;

export interface EstablishOptions {
  readonly target: SshTarget;
  readonly around: Surroundings;
  readonly expected: Expectation;
  /** Most that it may take, ms; the settings' connect time if that is less. */
  readonly withinMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Makes what the connection runs over, anew for each try; absent: TCP. */
  readonly through?: OpenWay;
  /** Told of every word of the host, and of every try that failed for want of room. */
  readonly slot?: Slot;
}

/** sshd drops at random between the first and the last number of MaxStartups, so a second try mostly gets in. */
const TRIES = 3;
const PAUSE_MS = 150;

export async function establish(options: EstablishOptions): Promise<Result<SshConnection, ConnectFailure>> {
  const { target, around, signal } = options;
  const { clock } = around;
  const until = clock.now() + Math.min(options.withinMs, around.settings.connectTimeoutMs);
  for (let attempt = 1; ; attempt += 1) {
    const timeoutMs = Math.max(1, until - clock.now());
    const result = await once(options, timeoutMs);
    if (result.ok) return result;
    if (result.error.strained) options.slot?.strained();
    if (!result.error.dropped) return result;
    const pause = PAUSE_MS * attempt + spread(target.label);
    if (attempt === TRIES || clock.now() + pause >= until) {
      const tries = attempt === 1 ? '' : ` (${attempt} tries)`;
      return err({ ...result.error, message: `${result.error.message}${tries}; is MaxStartups full there?` });
    }
    await clock.sleep(pause, signal);
  }
}

async function once(
  options: EstablishOptions,
  timeoutMs: number,
): Promise<Result<SshConnection, ConnectFailure>> {
  const { target, around, signal, slot } = options;
  slot?.heard();
  const shared = {
    target,
    expected: options.expected,
    credentials: around.credentials,
    keepaliveMs: around.settings.keepaliveMs,
    clock: around.clock,
    signal,
    ...(slot === undefined ? {} : { onHeard: slot.heard }),
  };
  if (options.through === undefined) return openConnection({ ...shared, timeoutMs });
  const started = around.clock.now();
  const way = await within(options.through(signal), {
    ms: timeoutMs,
    clock: around.clock,
    label: target.label,
    signal,
  });
  if (!way.ok) return way;
  const left = Math.max(1, timeoutMs - (around.clock.now() - started));
  return openConnection({ ...shared, timeoutMs: left, through: way.value });
}

async function within(
  way: Promise<Result<Way, ConnectFailure>>,
  { ms, clock, label, signal }: { ms: number; clock: Clock; label: string; signal: AbortSignal | undefined },
): Promise<Result<Way, ConnectFailure>> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const late = clock.sleep(ms, either).then((): Result<Way, ConnectFailure> => {
    const isOff = signal?.aborted === true;
    return err({
      why: isOff ? 'cancelled' : 'unreachable',
      message: isOff
        ? `${label}: cancelled before it began`
        : `${label}: no way through the jump host within ${ms} ms`,
      dropped: false,
      strained: !isOff,
    });
  });
  const first = await Promise.race([way, late]);
  // A channel that opens after we gave up is nobody's.
  if (!first.ok) void way.then((result) => result.ok && result.value.stream.destroy());
  stop.abort();
  return first;
}

/** Up to 100 ms that differ by host, so that those dropped together do not come back together. */
function spread(text: string): number {
  let sum = 0;
  for (const char of text) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) % 101;
  return sum;
}
