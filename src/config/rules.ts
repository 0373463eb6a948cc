/**
 * Rules between keys, over what was written. They trust no shape, so that they find their faults in a file that has others
 * too; what a single key may be is the schema's.
 */
import { parseMoment } from '../domain/moment.ts';
import type { Bound } from '../domain/policy.ts';
import { type GatesBeside, gateFaults } from './gate-rules.ts';
import { lifecycleFaults } from './lifecycle-rules.ts';
import { type Fault, fault } from './problem.ts';
import { parseBound } from './schema/parts.ts';
import { readKey } from './schema-walk.ts';
import { sshFaults } from './ssh-rules.ts';
import { witnessFaults } from './witness-rules.ts';
import { has, isMap, listOf, notBoth, oneOf } from './written-shape.ts';

/** All rules inside one environment's file. */
export function environmentFaults(written: unknown): Fault[] {
  return [
    ...inventoryFaults(readKey(written, 'inventory')),
    ...hostFaults(
      readKey(readKey(written, 'inventory'), 'hosts'),
      ['inventory', 'hosts'],
      readKey(readKey(written, 'ssh'), 'port'),
    ),
    ...sshFaults(written),
    ...deliveryFaults(readKey(written, 'artifacts')),
    ...prometheusFaults(readKey(written, 'prometheus')),
    ...strategyFaults(written, {
      hasPrometheus: has(written, 'prometheus'),
      witnesses: readKey(written, 'witnesses') ?? {},
    }),
    ...freezeFaults(readKey(written, 'freeze')),
    ...lifecycleFaults(written),
    ...witnessFaults(written),
  ];
}

/** Rules of waves and gates, wherever they stand; `beside` is what gates rest on where the file has it. */
export function strategyFaults(written: unknown, beside?: GatesBeside): Fault[] {
  return [
    ...waveFaults(readKey(readKey(written, 'waves'), 'then')),
    ...gateFaults(readKey(written, 'gates'), beside),
  ];
}

function inventoryFaults(inventory: unknown): Fault[] {
  return readKey(inventory, 'kind') === 'static' ? oneOf(inventory, 'inventory', ['hosts', 'file']) : [];
}

/** Ids, names and addresses are each there once: one VM that is listed twice would be changed twice. */
export function hostFaults(hosts: unknown, path: readonly (string | number)[], sshPort: unknown): Fault[] {
  const faults: Fault[] = [];
  const seen = new Map<string, number>();
  for (const [index, host] of listOf(hosts).entries()) {
    for (const key of ['id', 'name', 'address']) {
      const value = readKey(host, key);
      if (typeof value !== 'string') continue;
      const port = key === 'address' ? `:${portOf(readKey(host, 'port')) ?? portOf(sshPort) ?? 22}` : '';
      const mark = `${key} ${value}${port}`;
      const first = seen.get(mark);
      if (first === undefined) seen.set(mark, index);
      else
        faults.push(
          fault([...path, index, key], `host ${first + 1} of the list has the same ${key}`, {
            found: `${value}${port}`,
          }),
        );
    }
  }
  return faults;
}

function portOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function deliveryFaults(artifacts: unknown): Fault[] {
  if (readKey(artifacts, 'delivery') !== 'sftp' || !has(artifacts, 'fetchFrom')) return [];
  return [
    fault(['artifacts', 'fetchFrom'], 'with `delivery: sftp` no host fetches anything', {
      part: 'key',
      allowed: ['delivery: signed-url', 'delivery: service-account'],
    }),
  ];
}

const SECRET_PARAMETER = /token|passw|secret|api.?key|authorization/i;

function prometheusFaults(prometheus: unknown): Fault[] {
  if (!isMap(prometheus)) return [];
  const faults = [
    ...oneOf(prometheus, 'prometheus', ['url', 'urlFile']),
    ...notBoth(prometheus, 'prometheus', ['tokenEnv', 'tokenFile']),
    ...notBoth(prometheus, 'prometheus', ['passwordEnv', 'passwordFile']),
  ];
  const bearer = has(prometheus, 'tokenEnv') || has(prometheus, 'tokenFile');
  const password = has(prometheus, 'passwordEnv') || has(prometheus, 'passwordFile');
  const user = has(prometheus, 'username');
  if (bearer && (user || password))
    faults.push(fault(['prometheus'], 'either a token or a user with password, not both', { part: 'key' }));
  if (user && !password) {
    faults.push(
      fault(['prometheus', 'username'], 'the password is missing', {
        part: 'key',
        allowed: ['passwordEnv', 'passwordFile'],
      }),
    );
  }
  if (password && !user)
    faults.push(fault(['prometheus'], 'a password without username', { part: 'key', allowed: ['username'] }));
  const parameters = readKey(prometheus, 'parameters');
  for (const key of isMap(parameters) ? Object.keys(parameters as object) : []) {
    if (!SECRET_PARAMETER.test(key)) continue;
    const message = 'a secret does not belong into this file; say where it is with tokenEnv or tokenFile';
    faults.push(
      fault(['prometheus', 'parameters', key], message, {
        part: 'key',
        found: key,
        allowed: ['tokenEnv', 'tokenFile'],
      }),
    );
  }
  return faults;
}

/** Waves grow and end with everybody; counts and percentages are each compared with their own kind. */
function waveFaults(then: unknown): Fault[] {
  const list = listOf(then);
  const faults: Fault[] = [];
  const last: Partial<Record<Bound['kind'], number>> = {};
  for (const [index, value] of list.entries()) {
    const bound = parseBound(value);
    if (bound === null) continue;
    const size = bound.kind === 'count' ? bound.count : bound.percent;
    const before = last[bound.kind];
    if (before !== undefined && size <= before) {
      const sign = bound.kind === 'percent' ? '%' : '';
      faults.push(
        fault(['waves', 'then', index], 'each wave must be larger than the one before', {
          found: String(value),
          allowed: [`more than ${before}${sign}`],
        }),
      );
    }
    last[bound.kind] = size;
  }
  const end = list.length === 0 ? null : parseBound(list.at(-1));
  if (end !== null && !(end.kind === 'percent' && end.percent === 100)) {
    faults.push(
      fault(
        ['waves', 'then', list.length - 1],
        'the last wave must be 100%, or hosts would never be changed',
        { found: String(list.at(-1)), allowed: ['100%'] },
      ),
    );
  }
  return faults;
}

function freezeFaults(freeze: unknown): Fault[] {
  return listOf(freeze).flatMap((one, index) => {
    const from = readKey(one, 'from');
    const until = readKey(one, 'until');
    if (typeof from !== 'string' || typeof until !== 'string') return [];
    const start = parseMoment(from, 'start');
    const end = parseMoment(until, 'end');
    return start !== null && end !== null && end <= start
      ? [
          fault(['freeze', index, 'until'], 'it ends before it begins', {
            found: until,
            allowed: [`later than ${from}`],
          }),
        ]
      : [];
  });
}
