import { execFileSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeDeb } from '../../../src/adapters/deb/write.ts';
import { DAEMON, EXECUTABLE, hasDpkgDeb, OSQUERY, sha256 } from './samples.ts';

describe('writing a package', () => {
  it('gives the same bytes for the same specification', () => {
    expect(sha256(writeDeb(OSQUERY))).toBe(sha256(writeDeb(structuredClone(OSQUERY))));
    expect(sha256(writeDeb({ ...OSQUERY, version: '5.10.3-1' }))).not.toBe(sha256(writeDeb(OSQUERY)));
  });

  it('is understood by the real dpkg-deb: fields, list, contents, modes, links, scripts', () => {
    if (!hasDpkgDeb) {
      console.error('not run: this machine has no dpkg-deb');
      return;
    }
    const folder = mkdtempSync(join(tmpdir(), 'rollout-write-'));
    try {
      const file = join(folder, 'x.deb');
      writeFileSync(file, writeDeb(OSQUERY));
      const dpkgDeb = (...args: string[]): string =>
        execFileSync('dpkg-deb', args, { encoding: 'utf8', stdio: 'pipe' });
      expect(dpkgDeb('-f', file, 'Package', 'Version', 'Architecture')).toBe(
        'Package: osquery\nVersion: 5.10.2-1.linux\nArchitecture: amd64\n',
      );
      expect(dpkgDeb('-I', file)).toContain('postinst');
      expect(dpkgDeb('-I', file, 'conffiles')).toBe('/etc/default/osqueryd\n');
      expect(dpkgDeb('-I', file, 'md5sums')).toMatch(/^[0-9a-f]{32} {2}opt\/osquery\/bin\/osqueryd$/m);
      expect(dpkgDeb('-c', file)).toMatch(/^-rwxr-xr-x root\/root .* \.\/opt\/osquery\/bin\/osqueryd$/m);
      dpkgDeb('-x', file, join(folder, 'root'));
      expect(readFileSync(join(folder, 'root', EXECUTABLE)).equals(DAEMON)).toBe(true);
      expect(readlinkSync(join(folder, 'root/usr/bin/osqueryd'))).toBe('../../opt/osquery/bin/osqueryd');
      expect(lstatSync(join(folder, 'root/var/log/osquery')).mode & 0o7777).toBe(0o750);
      expect(readFileSync(join(folder, 'root/usr/share', 'long/'.repeat(30), 'name'), 'utf8')).toBe('deep\n');
      dpkgDeb('-e', file, join(folder, 'control'));
      expect(lstatSync(join(folder, 'control/postinst')).mode & 0o7777).toBe(0o755);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
