/**
 * The agent packages of the embedded fleet. Their "executable" is a text that says how the agent behaves; as for the real
 * agent, gstg and gprd have different files with different sha256 for the same version.
 */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDeb } from '../adapters/deb/write.ts';

/** Last line of the stand-in executable, which is a text of assignments: run by a shell, it says what the real one says. */
const TELLS_VERSION = '[ "$*" != --version ] || echo "osqueryd version $version"\n';

interface Behaviour {
  readonly version: string;
  /** Cores. */
  readonly cpu: number;
  /** Bytes. */
  readonly memory: number;
  readonly extra?: string;
}

/** 5.9.1 is what the fleet has; 5.10.2 is good; 5.11.0 burns CPU; 5.12.0 does not start. */
export const DEMO_VERSIONS: readonly Behaviour[] = [
  { version: '5.9.1', cpu: 0.03, memory: 60e6 },
  { version: '5.10.2', cpu: 0.035, memory: 64e6 },
  { version: '5.11.0', cpu: 0.42, memory: 71e6 },
  { version: '5.12.0', cpu: 0.03, memory: 60e6, extra: 'startfail=1\n' },
];

export function demoPackage(folder: string, environment: string, version: string): string {
  return join(folder, `osquery_${version}-1.linux_amd64.${environment}.deb`);
}

/** Writes what is missing; the same versions always have the same bytes. */
export async function writeDemoPackages(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const environment of ['gstg', 'gprd']) {
    for (const behaviour of DEMO_VERSIONS) {
      const file = demoPackage(folder, environment, behaviour.version);
      const there = await access(file).then(
        () => true,
        () => false,
      );
      if (!there) await writeFile(file, debFor(environment, behaviour));
    }
  }
}

function debFor(environment: string, { version, cpu, memory, extra = '' }: Behaviour): Buffer {
  return writeDeb({
    package: 'osquery',
    version: `${version}-1.linux`,
    architecture: 'amd64',
    fields: { Description: `stand-in for osquery ${version} in ${environment}` },
    contents: [
      {
        kind: 'file',
        path: '/opt/osquery/bin/osqueryd',
        content: `version=${version}\nasset_group=${environment}\ncpu=${cpu}\nmemory=${memory}\n${extra}${TELLS_VERSION}`,
        mode: 0o755,
      },
      { kind: 'symlink', path: '/usr/bin/osqueryd', target: '/opt/osquery/bin/osqueryd' },
      { kind: 'file', path: '/etc/default/osqueryd', content: 'FLAG_FILE="/etc/osquery/osquery.flags"\n' },
      { kind: 'file', path: '/usr/lib/systemd/system/osqueryd.service', content: UNIT },
    ],
    conffiles: ['/etc/default/osqueryd'],
    scripts: { postinst: '#!/bin/sh\nsystemctl daemon-reload || true\nexit 0\n' },
  });
}

const UNIT = `[Unit]
Description=The osquery Daemon
[Service]
EnvironmentFile=/etc/default/osqueryd
ExecStart=/opt/osquery/bin/osqueryd --flagfile $FLAG_FILE
Restart=on-failure
[Install]
WantedBy=multi-user.target
`;
