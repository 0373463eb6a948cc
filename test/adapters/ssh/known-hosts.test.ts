import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createKnownHostsReader,
  fingerprint,
  type HostKeys,
  parseKnownHosts,
} from '../../../src/adapters/ssh/known-hosts.ts';

/** A key blob that says its type and is otherwise told apart by one byte. */
function blob(type: string, byte: number): string {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(type.length);
  return Buffer.concat([length, Buffer.from(type), Buffer.from([byte])]).toString('base64');
}
const A = blob('ssh-ed25519', 1);
const B = blob('ssh-ed25519', 2);
const R = blob('ssh-rsa', 3);

async function lookUp(text: string, ...names: string[]): Promise<HostKeys> {
  const folder = mkdtempSync(join(tmpdir(), 'rollout-known-'));
  try {
    writeFileSync(join(folder, 'known_hosts'), text);
    return (await createKnownHostsReader([join(folder, 'known_hosts')])()).lookUp(names);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const keys = (found: HostKeys): string[] => found.keys.map((key) => key.blob.toString('base64'));

function hashed(name: string): string {
  const salt = Buffer.from('12345678901234567890');
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

describe('known_hosts', () => {
  it('finds a name in a list, whatever its case', async () => {
    expect(keys(await lookUp(`web-1,10.0.0.1 ssh-ed25519 ${A} a comment\n`, 'WEB-1'))).toEqual([A]);
    expect(keys(await lookUp(`Web-1 ssh-ed25519 ${A}\r\n`, 'web-1'))).toEqual([A]);
  });

  it('keeps ports apart', async () => {
    expect(
      keys(await lookUp(`[web-1]:2222 ssh-ed25519 ${A}\nweb-1 ssh-ed25519 ${B}\n`, '[web-1]:2222')),
    ).toEqual([A]);
    expect(keys(await lookUp(`web-1 ssh-ed25519 ${B}\n`, '[web-1]:2222'))).toEqual([]);
  });

  it('finds hashed names', async () => {
    expect(keys(await lookUp(`${hashed('[web-1]:22022')} ssh-rsa ${R}\n`, '[web-1]:22022'))).toEqual([R]);
    expect(keys(await lookUp(`${hashed('web-2')} ssh-rsa ${R}\n`, 'web-1'))).toEqual([]);
  });

  it('takes patterns, and a negated pattern refuses the whole line', async () => {
    const text = `*.example.org,!db?.example.org ssh-ed25519 ${A}\n`;
    expect(keys(await lookUp(text, 'web.example.org'))).toEqual([A]);
    expect(keys(await lookUp(text, 'db1.example.org'))).toEqual([]);
    expect(keys(await lookUp(text, 'db10.example.org'))).toEqual([A]);
  });

  it('lets the first name with a key decide', async () => {
    const text = `10.0.0.1 ssh-ed25519 ${B}\nweb-1 ssh-ed25519 ${A}\n`;
    const found = await lookUp(text, 'compute.1', 'web-1', '10.0.0.1');
    expect([found.name, keys(found)]).toEqual(['web-1', [A]]);
  });

  it('a revoked key counts under every name, and an authority is no key', async () => {
    const found = await lookUp(
      `@revoked * ssh-ed25519 ${B}\n@cert-authority web-1 ssh-ed25519 ${A}\n`,
      'web-1',
    );
    expect(found.revoked.map((key) => key.line)).toEqual([1]);
    expect(found.authority?.line).toBe(2);
    expect(keys(found)).toEqual([]);
  });

  it('leaves out comments, unknown markers, torn lines, and a type that its bytes contradict', () => {
    const text = `# web ssh-ed25519 ${A}\n\n@odd web ssh-ed25519 ${A}\nweb ssh-ed25519\nweb ssh-rsa ${A}\nweb ssh-ed25519 !!!\n`;
    expect(parseKnownHosts(text, 'f')).toEqual([]);
  });

  it('a file that is not there is named, and trusts nobody', async () => {
    const known = await createKnownHostsReader(['/no/such/known_hosts'])();
    expect(known.unreadable).toEqual(['/no/such/known_hosts (does not exist)']);
    expect(known.lookUp(['web']).keys).toEqual([]);
  });

  it('survives any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseKnownHosts(text, 'f').every((line) => line.blob.length > 4)).toBe(true);
      }),
    );
  });

  it('prints fingerprints as ssh-keygen does', () => {
    expect(fingerprint(Buffer.from(''))).toBe('SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU');
  });
});
