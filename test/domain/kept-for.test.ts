/** What is kept on this machine is kept for one journal and for one fleet, whatever they are called. */
import { describe, expect, it } from 'vitest';
import type { GceInventorySettings } from '../../src/domain/cloud.ts';
import type { Environment } from '../../src/domain/environment.ts';
import { fleetIdentity, journalPlace } from '../../src/domain/kept-for.ts';
import { bareHost } from '../contract/last-inventory.ts';

const SETTINGS: GceInventorySettings = {
  kind: 'gce',
  projects: ['project-b', 'project-a'],
  roleLabel: 'type',
  address: '{internal}',
  publishedHostKeys: true,
  instanceCheck: true,
  credentials: {},
};

const identity = (inventory: Environment['inventory'], name = 'gprd', file = '/config/gprd.yaml'): string =>
  fleetIdentity({ name, file, inventory });

describe('the identity of a fleet', () => {
  it.each([
    ['in another order', { projects: ['project-a', 'project-b'] }],
    ['with other credentials', { credentials: { keyFile: '/key.json' } }],
    ['with other host keys', { publishedHostKeys: false, instanceCheck: false }],
  ] as const)('is the same %s', (_, more) => {
    expect(identity({ ...SETTINGS, ...more })).toBe(identity(SETTINGS));
  });

  it.each([
    ['of another project', { projects: ['project-c'] }],
    ['of one project more', { projects: ['project-a', 'project-b', 'project-c'] }],
    ['of some zones', { zones: ['us-east1-b'] }],
    ['of no zone', { zones: [] }],
    ['with a filter', { filter: 'name=web-*' }],
    ['with another label for roles', { roleLabel: 'role' }],
    ['reached at other addresses', { address: '{external}' }],
  ] as const)('is another one %s', (_, more) => {
    expect(identity({ ...SETTINGS, ...more })).not.toBe(identity(SETTINGS));
  });
});

describe('the identity of a list of hosts', () => {
  const list = { kind: 'static', hosts: [], file: '/config/hosts.yaml' } as const;
  const inline = { kind: 'static', hosts: [] } as const;

  it('is the same whatever stands in it today', () => {
    const hosts = [bareHost('1')];
    expect(identity({ ...list, hosts })).toBe(identity(list));
    expect(identity({ ...inline, hosts })).toBe(identity(inline));
  });

  it('of a file of its own stays when the environment’s file moves; without one it goes with that file', () => {
    expect(identity(list, 'gprd', '/config/gprd.yml')).toBe(identity(list));
    expect(identity(inline, 'gprd', '/other/gprd.yaml')).not.toBe(identity(inline));
  });

  it('is another one for another environment, from another file, and for a cloud', () => {
    const others = [
      identity(list, 'gstg'),
      identity({ ...list, file: '/other/hosts.yaml' }),
      identity(inline),
      identity(SETTINGS),
    ];
    expect(new Set([identity(list), ...others]).size).toBe(5);
  });
});

it('the place of a journal is its bucket and folder, or its path', () => {
  const gcs = { kind: 'gcs', bucket: 'b', prefix: 'x/y', credentials: {} } as const;
  expect(journalPlace(gcs)).toBe('gs://b/x/y');
  expect(journalPlace({ ...gcs, prefix: '', credentials: { keyFile: '/k' }, project: 'p' })).toBe('gs://b');
  expect(journalPlace({ kind: 'local', path: '/var/journal' })).toBe('/var/journal');
});
