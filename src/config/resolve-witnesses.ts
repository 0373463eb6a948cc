/** Other witnesses, from what was written to what is wired. Pure. */
import { dirname } from 'node:path';
import type { HttpAuth, SecretRef } from '../domain/connection.ts';
import type { HttpWitness, WitnessSettings } from '../domain/witness.ts';
import { expandPath, type PathBase } from './paths.ts';
import type { WitnessWritten } from './schema/witnesses.ts';

/** By their names; undefined where there are none. */
export function resolveWitnesses(
  written: Readonly<Record<string, WitnessWritten>>,
  base: PathBase,
): Readonly<Record<string, WitnessSettings>> | undefined {
  const all = Object.entries(written);
  if (all.length === 0) return undefined;
  return Object.fromEntries(all.map(([name, one]) => [name, resolveWitness(one, base)]));
}

function resolveWitness(written: WitnessWritten, base: PathBase): WitnessSettings {
  switch (written.kind) {
    case 'loki': {
      const { kind, tenant, query, alive, hostLabel, hostValue, window } = written;
      return {
        kind,
        ...overHttp(written, base),
        query,
        hostLabel,
        hostValue,
        windowMs: window,
        ...(tenant === undefined ? {} : { tenant }),
        ...(alive === undefined ? {} : { alive }),
      };
    }
    case 'osctrl': {
      const { kind, environment, match, hostValue, measure } = written;
      return { kind, ...overHttp(written, base), environment, match, hostValue, measure };
    }
    case 'fleet': {
      const { kind, team, match, hostValue, measure } = written;
      const of = team === undefined ? {} : { team };
      return { kind, ...overHttp(written, base), match, hostValue, measure, ...of };
    }
    case 'command': {
      const [program = '', ...words] = written.run;
      return {
        kind: 'command',
        // A bare name is looked for on the PATH.
        run: [program.includes('/') ? expandPath(program, base) : program, ...words],
        folder: dirname(base.file),
        env: written.env,
        timeoutMs: written.timeout,
      };
    }
    case 'webhook':
      // Its whole address, whose last slash belongs to it.
      return { kind: 'webhook', ...overHttp(written, base), url: written.url };
    default:
      return written satisfies never;
  }
}

type OverHttp = Exclude<WitnessWritten, { kind: 'command' }>;

function overHttp(written: OverHttp, base: PathBase): HttpWitness {
  return {
    url: written.url.replace(/\/+$/, ''),
    auth: authOf(written, base),
    ...(written.caFile === undefined ? {} : { caFile: expandPath(written.caFile, base) }),
    timeoutMs: written.timeout,
  };
}

function authOf(written: OverHttp, base: PathBase): HttpAuth {
  const token = secretOf(written.tokenEnv, written.tokenFile, base);
  if (token !== null) return { kind: 'bearer', token };
  const { username } = written;
  const password = secretOf(written.passwordEnv, written.passwordFile, base);
  if (username === undefined || password === null) return { kind: 'none' };
  return { kind: 'basic', username, password };
}

function secretOf(env: string | undefined, file: string | undefined, base: PathBase): SecretRef | null {
  if (env !== undefined) return { kind: 'env', name: env };
  return file === undefined ? null : { kind: 'file', path: expandPath(file, base) };
}
