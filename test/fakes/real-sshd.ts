/** OpenSSH's own sshd on loopback, with keys and a configuration of its own in a temporary folder. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

const SSHD = '/usr/sbin/sshd';

export interface RealSshd {
  readonly port: number;
  readonly user: string;
  readonly folder: string;
  /** SFTP starts here, so that deliveries do not go to a real home. */
  readonly home: string;
  /** Its public keys as known_hosts lines, by key type without `ssh-`: ed25519, ecdsa, rsa. */
  hostKeyLine(host: string, type?: 'ed25519' | 'ecdsa' | 'rsa'): string;
  /** What `sudo` does there: by default it runs the rest of its words. */
  sudo(script?: string): void;
  stop(): Promise<void>;
}

export interface RealSshdOptions {
  /** Lines of authorized_keys. */
  readonly authorized: readonly string[];
  /** Further lines of sshd_config; they come first, and the first wins. */
  readonly config?: readonly string[];
  /** Address to listen on; `0.0.0.0` takes all of 127.0.0.0/8. */
  readonly listen?: string;
}

/** Why there can be no sshd here; null when there can. */
export function whyNoSshd(): string | null {
  if (!existsSync(SSHD)) return `${SSHD} is not there (apt-get install openssh-server)`;
  if (userInfo().uid === 0 && !existsSync('/run/sshd')) mkdirSync('/run/sshd', { mode: 0o755 });
  return null;
}

export async function startRealSshd(options: RealSshdOptions): Promise<RealSshd> {
  const folder = mkdtempSync(join(tmpdir(), 'rollout-sshd-'));
  const shims = join(folder, 'bin');
  const home = join(folder, 'home');
  mkdirSync(shims);
  mkdirSync(home);
  for (const type of ['ed25519', 'ecdsa', 'rsa']) {
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', join(folder, `host_${type}`)]);
  }
  writeFileSync(join(folder, 'authorized'), `${options.authorized.join('\n')}\n`, { mode: 0o600 });
  const sudo = (script = 'shift; exec "$@"'): void =>
    writeFileSync(join(shims, 'sudo'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  sudo();
  const listen = options.listen ?? '127.0.0.1';
  const port = await freePort(listen);
  writeFileSync(
    join(folder, 'config'),
    [
      ...(options.config ?? []),
      `Port ${port}`,
      `ListenAddress ${listen}`,
      ...['ed25519', 'ecdsa', 'rsa'].map((type) => `HostKey ${join(folder, `host_${type}`)}`),
      `AuthorizedKeysFile ${join(folder, 'authorized')}`,
      `PidFile ${join(folder, 'pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'PermitRootLogin yes',
      'PrintMotd no',
      'UseDNS no',
      // A HOME of its own: bash under sshd reads ~/.bashrc, and the real one is nobody's business here.
      `SetEnv PATH=${shims}:/usr/bin:/bin HOME=${home}`,
      `Subsystem sftp internal-sftp -d ${home}`,
      '',
    ].join('\n'),
  );
  const daemon = spawn(SSHD, ['-D', '-e', '-f', join(folder, 'config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  daemon.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4_000);
  });
  await answers(port, listen, daemon, () => log);
  return {
    port,
    user: userInfo().username,
    folder,
    home,
    hostKeyLine(host, type = 'ed25519') {
      const name = port === 22 ? host : `[${host}]:${port}`;
      return `${name} ${readFileSync(join(folder, `host_${type}.pub`), 'utf8')}`;
    },
    sudo,
    async stop() {
      const gone = new Promise((resolve) => daemon.once('exit', resolve));
      daemon.kill('SIGTERM');
      await gone;
      rmSync(folder, { recursive: true });
    },
  };
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, host, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Waits until the port takes connections; fails with sshd's own words when it ends first. */
async function answers(port: number, listen: string, daemon: ChildProcess, log: () => string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (daemon.exitCode !== null) throw new Error(`sshd ended with ${daemon.exitCode}: ${log()}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, listen === '0.0.0.0' ? '127.0.0.1' : listen);
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`sshd does not listen on ${port}: ${log()}`);
}
