/** What is kept on this machine is kept for one journal and for one fleet, whatever they are called. */
import { describe, expect, it } from 'vitest';
import type { GceInventorySettings } from '../../src/domain/cloud.ts';
import { fleetIdentity, journalPlace } from '../../src/domain/kept-for.ts';

const SETTINGS: GceInventorySettings = {
  kind: 'gce',
  projects: ['project-b', 'project-a'],
  roleLabel: 'type',
  address: '{internal}',
  publishedHostKeys: true,
  instanceCheck: true,
  credentials: {},
};

describe('the identity of a fleet', () => {
  it.each([
    ['in another order', { projects: ['project-a', 'project-b'] }],
    ['with other credentials', { credentials: { keyFile: '/key.json' } }],
    ['with other host keys', { publishedHostKeys: false, instanceCheck: false }],
  ] as const)('is the same %s', (_, more) => {
    expect(fleetIdentity({ ...SETTINGS, ...more })).toBe(fleetIdentity(SETTINGS));
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
    expect(fleetIdentity({ ...SETTINGS, ...more })).not.toBe(fleetIdentity(SETTINGS));
  });
});

it('the place of a journal is its bucket and folder, or its path', () => {
  const gcs = { kind: 'gcs', bucket: 'b', prefix: 'x/y', credentials: {} } as const;
  expect(journalPlace(gcs)).toBe('gs://b/x/y');
  expect(journalPlace({ ...gcs, prefix: '', credentials: { keyFile: '/k' }, project: 'p' })).toBe('gs://b');
  expect(journalPlace({ kind: 'local', path: '/var/journal' })).toBe('/var/journal');
});
