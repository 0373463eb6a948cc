/**
 * One embedded host: an SSH server on loopback that runs commands with a real `sh` in the host's folder, with stand-ins for
 * sudo, systemctl and dpkg first on the PATH. It takes one public key and one user, and listens on 127.0.0.1 only.
 */
import { spawn } from 'node:child_process';
import type { Server as NetServer } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ParsedKey, type ServerChannel } from 'ssh2';
import { HOME, serveSftp } from './sftp-folder.ts';

const USER = 'ops';

export interface HostServerOptions {
  /** The host's folder: its root file system, as far as it has one. */
  readonly root: string;
  /** OpenSSH private key. */
  readonly hostKey: string;
  /** The one key that may log in, OpenSSH public format. */
  readonly clientKey: string;
  /** 0: any free port. */
  readonly port: number;
  /** PATH of its programs (tools.ts). */
  readonly path: string;
}

export interface HostServer {
  readonly port: number;
  close(): Promise<void>;
}

export function serveHost(options: HostServerOptions): Promise<HostServer> {
  const allowed = ssh2.utils.parseKey(options.clientKey);
  if (allowed instanceof Error) throw allowed;
  const connections = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [options.hostKey] }, (connection) => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection));
    connection.on('error', () => {});
    connection.on('authentication', (context) => authenticate(context, allowed));
    connection.on('ready', () => {
      connection.on('session', (accept) => {
        const session = accept();
        session.on('exec', (acceptExec, _reject, info) => runCommand(acceptExec(), info.command, options));
        session.on('sftp', (acceptSftp) => serveSftp(acceptSftp, options.root));
      });
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      resolve({
        port,
        close: () =>
          new Promise((closed) => {
            (server as unknown as NetServer).close(() => closed());
            for (const connection of connections) connection.end();
          }),
      });
    });
  });
}

function authenticate(context: AuthContext, allowed: ParsedKey): void {
  const isKey =
    context.method === 'publickey' &&
    context.username === USER &&
    context.key.algo === allowed.type &&
    allowed.getPublicSSH().equals(context.key.data);
  if (!isKey) return context.reject(['publickey']);
  if (context.signature === undefined) return context.accept();
  const signed = allowed.verify(context.blob ?? Buffer.alloc(0), context.signature, context.hashAlgo);
  return signed === true ? context.accept() : context.reject();
}

function runCommand(channel: ServerChannel, command: string, { root, path }: HostServerOptions): void {
  const child = spawn('/bin/sh', ['-c', command], {
    cwd: `${root}${HOME}`,
    env: {
      PATH: path,
      HOME,
      LANG: 'C.UTF-8',
      ROLLOUT_ROOT: root,
      ROLLOUT_NODE: process.execPath,
      // As long as we live its timers fire.
      ROLLOUT_OWNER: String(process.pid),
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    // As on a real host, a program goes on when its connection dies.
    detached: true,
  });
  channel.on('error', () => {});
  child.stdin.on('error', () => {});
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.on('error', () => {
    channel.exit(127);
    channel.end();
  });
  child.on('close', (code) => {
    if (code === null) channel.exit('KILL');
    else channel.exit(code);
    channel.end();
  });
}
