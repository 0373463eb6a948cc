import { expect, it } from 'vitest';
import { hostValueFor } from '../../src/domain/host-value.ts';

it('a host’s value is filled in from what is known of it, and what is unknown stays as it is', () => {
  const host = { id: '7', name: 'web-7', address: '10.1.2.3', zone: 'us-east1-b', role: 'db' };
  expect(hostValueFor('{id}/{name}/{address}/{zone}/{role}/{other}/{name}', host)).toBe(
    '7/web-7/10.1.2.3/us-east1-b/db/{other}/web-7',
  );
});
