/** The embedded fleet never reaches for the machine's own package manager or services. */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { layTools } from '../../../src/adapters/sandbox/tools.ts';

const STAND_INS = join(import.meta.dirname, '../../../src/adapters/sandbox/bin');
const DANGEROUS = [
  'apt-get',
  'dpkg',
  'dpkg-query',
  'dpkg-deb',
  'sudo',
  'systemctl',
  'service',
  'update-rc.d',
  'invoke-rc.d',
  'reboot',
];

let place: string;
let machine: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'rollout-tools-'));
  machine = join(place, 'machine');
  mkdirSync(machine);
  for (const name of [...DANGEROUS, 'harmless']) {
    writeFileSync(join(machine, name), '#!/bin/sh\necho the machine itself\n');
    chmodSync(join(machine, name), 0o755);
  }
});
afterEach(() => {
  rmSync(place, { recursive: true, force: true });
});

function found(path: string, name: string): string {
  return spawnSync('/bin/sh', ['-c', `command -v ${name}`], { env: { PATH: path } })
    .stdout.toString()
    .trim();
}

describe('what an embedded host has on its PATH', () => {
  it('are the stand-ins, and the machine’s tools without those that would change it', async () => {
    const path = await layTools(join(place, 'tools'), `${machine}:/nowhere:relative`);
    expect(found(path, 'harmless')).toBe(join(place, 'tools', 'harmless'));
    for (const name of ['dpkg', 'sudo', 'systemctl', 'apt-get', 'dpkg-query', 'service', 'update-rc.d'])
      expect(found(path, name)).toBe(join(STAND_INS, name));
    for (const name of ['dpkg-deb', 'invoke-rc.d', 'reboot']) expect(found(path, name)).toBe('');
  });

  it('lacks a stand-in that goes missing later, instead of finding the machine’s own', async () => {
    const own = join(place, 'bin');
    cpSync(STAND_INS, own, { recursive: true });
    const path = await layTools(join(place, 'tools'), machine, own);
    rmSync(own, { recursive: true });
    for (const name of DANGEROUS) expect(found(path, name)).toBe('');
    expect(found(path, 'harmless')).not.toBe('');
  });

  it('is refused where a stand-in is missing, by its name', async () => {
    const own = join(place, 'bin');
    cpSync(STAND_INS, own, { recursive: true });
    rmSync(join(own, 'systemctl'));
    await expect(layTools(join(place, 'tools'), machine, own)).rejects.toThrow(/bin\/systemctl is missing/);
  });
});
