/**
 * An SSH server that speaks the real protocol and can show every way in which a host disappoints. It runs no shell: what a
 * command does is a function given by the test.
 */
import { createServer, type Server, type Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ServerChannel, type SFTPWrapper } from 'ssh2';

export interface FakeCommand {
  readonly line: string;
  readonly channel: ServerChannel;
  /** All of stdin, once it was closed. */
  readonly stdin: Promise<string>;
  /** The host hangs: the socket stays open, nothing is read or answered any more. */
  readonly freeze: () => void;
  /** The host is gone without a goodbye. */
  readonly vanish: () => void;
}

export interface FakeSshOptions {
  /** Private keys in OpenSSH's format; one ed25519 key by default. */
  readonly hostKeys?: readonly string[];
  readonly auth?: 'accept' | 'deny' | 'ask-for-more' | 'disconnect';
  /** So many connections are dropped before the banner, as a full MaxStartups does. */
  readonly drop?: number;
  /** Takes TCP connections and says nothing. */
  readonly mute?: boolean;
  /** What a command does; by default it begins and ends well. */
  readonly command?: (command: FakeCommand) => void | Promise<void>;
  /** Refuses to run commands at all. */
  readonly refuseExec?: boolean;
  readonly sftp?: 'reject' | FakeFiles;
}

export interface FakeFiles {
  /** Files by absolute path; written to by deliveries. */
  readonly files: Map<string, Buffer>;
  /** Writes beyond so many bytes in all fail, as on a full disk. */
  readonly spaceBytes?: number;
  /** The host hangs after so many bytes written. */
  readonly freezeAfterBytes?: number;
}

export interface FakeSshServer {
  readonly port: number;
  /** The line of known_hosts for a name, in the form for this port. */
  knownHostsLine(host: string): string;
  /** Commands received so far. */
  readonly commands: string[];
  /** Who logged in, in order. */
  readonly users: string[];
  /** Connections now open. */
  readonly connections: number;
  /** TCP connections taken so far. */
  readonly accepted: number;
  close(): Promise<void>;
}

export function newHostKey(): string {
  return newKeyPair().private;
}

/** ssh2's generator now and then writes an ed25519 key that its own parser refuses, so it is asked until one is good. */
export function newKeyPair(): { readonly private: string; readonly public: string } {
  for (let tries = 0; tries < 20; tries += 1) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
  }
  throw new Error('no key that can be parsed in 20 tries');
}

export const BEGIN = '{"step":"begin","ok":true,"version":1}\n';

/** A program that begins, says the lines, and ends with the code. */
export function answering(lines: readonly string[], code = 0): (command: FakeCommand) => Promise<void> {
  return async ({ channel, stdin }) => {
    await stdin;
    channel.write(BEGIN + lines.map((line) => `${line}\n`).join(''));
    channel.exit(code);
    channel.end();
  };
}

export async function startFakeSshServer(options: FakeSshOptions = {}): Promise<FakeSshServer> {
  const hostKeys = options.hostKeys ?? [newHostKey()];
  const commands: string[] = [];
  const users: string[] = [];
  const sockets = new Set<Socket>();
  let accepted = 0;
  const ssh = new ssh2.Server({ hostKeys: [...hostKeys] });
  ssh.on('connection', (connection, info) => {
    const own = [...sockets].find((socket) => socket.remotePort === info.port);
    serve(connection, own, options, { commands, users });
  });
  const server = createServer({ noDelay: true }, (socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    if (options.mute) return;
    if (accepted <= (options.drop ?? 0)) {
      socket.destroy();
      return;
    }
    ssh.injectSocket(socket);
  });
  const port = await listening(server);
  return {
    port,
    knownHostsLine: (host) => hostKeys.map((key) => knownHostsLine(host, port, key)).join(''),
    commands,
    users,
    get connections() {
      return sockets.size;
    },
    get accepted() {
      return accepted;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function knownHostsLine(host: string, port: number, privateKey: string): string {
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error) throw key;
  const name = port === 22 ? host : `[${host}]:${port}`;
  return `${name} ${key.type} ${key.getPublicSSH().toString('base64')}\n`;
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

function serve(
  connection: Connection,
  socket: Socket | undefined,
  options: FakeSshOptions,
  { commands, users }: Pick<FakeSshServer, 'commands' | 'users'>,
): void {
  const freeze = (): void => {
    socket?.removeAllListeners('data');
    socket?.pause();
  };
  connection.on('error', () => {});
  connection.on('authentication', (context: AuthContext) => {
    if (options.auth === 'disconnect') {
      socket?.end();
    } else if (options.auth === 'deny' || context.method !== 'publickey') {
      context.reject(['publickey']);
    } else if (options.auth === 'ask-for-more' && context.signature !== undefined) {
      context.reject(['keyboard-interactive'], true);
    } else {
      if (context.signature !== undefined) users.push(context.username);
      context.accept();
    }
  });
  connection.on('session', (acceptSession) => {
    const session = acceptSession();
    session.on('exec', (acceptExec, reject, info) => {
      if (options.refuseExec) {
        reject();
        return;
      }
      commands.push(info.command);
      const channel = acceptExec();
      channel.on('error', () => {});
      let text = '';
      const stdin = new Promise<string>((resolve) => {
        channel.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        channel.on('end', () => resolve(text));
      });
      const vanish = (): void => void socket?.destroy();
      void (options.command ?? answering([]))({ line: info.command, channel, stdin, freeze, vanish });
    });
    session.on('sftp', (acceptSftp, reject) => {
      if (options.sftp === undefined || options.sftp === 'reject') reject();
      else serveFiles(acceptSftp(), options.sftp, freeze);
    });
  });
}

const STATUS = ssh2.utils.sftp.STATUS_CODE;

function serveFiles(sftp: SFTPWrapper, store: FakeFiles, freeze: () => void): void {
  const { files } = store;
  let written = 0;
  const pathOf = (handle: Buffer): string => handle.toString();
  const stat = (id: number, path: string): void => {
    const file = files.get(path);
    if (file === undefined) sftp.status(id, STATUS.NO_SUCH_FILE);
    else sftp.attrs(id, { mode: 0o100600, uid: 0, gid: 0, size: file.length, atime: 0, mtime: 0 });
  };
  sftp.on('error', () => {});
  sftp.on('REALPATH', (id) => sftp.name(id, [{ filename: '/home/fake', longname: '', attrs: {} as never }]));
  sftp.on('STAT', stat);
  sftp.on('LSTAT', stat);
  sftp.on('MKDIR', (id, path) => {
    files.set(path, Buffer.alloc(0));
    sftp.status(id, STATUS.OK);
  });
  sftp.on('OPEN', (id, path) => {
    if (!files.has(path)) files.set(path, Buffer.alloc(0));
    sftp.handle(id, Buffer.from(path));
  });
  sftp.on('WRITE', (id, handle, offset, data) => {
    written += data.length;
    if (store.spaceBytes !== undefined && written > store.spaceBytes) {
      sftp.status(id, STATUS.FAILURE);
      return;
    }
    if (store.freezeAfterBytes !== undefined && written > store.freezeAfterBytes) {
      freeze();
      return;
    }
    const old = files.get(pathOf(handle)) ?? Buffer.alloc(0);
    const grown = Buffer.alloc(Math.max(old.length, offset + data.length));
    old.copy(grown);
    data.copy(grown, offset);
    files.set(pathOf(handle), grown);
    sftp.status(id, STATUS.OK);
  });
  sftp.on('FSETSTAT', (id, handle, attrs) => {
    const old = files.get(pathOf(handle));
    if (old !== undefined && typeof attrs.size === 'number')
      files.set(pathOf(handle), old.subarray(0, attrs.size));
    sftp.status(id, STATUS.OK);
  });
  sftp.on('CLOSE', (id) => sftp.status(id, STATUS.OK));
  sftp.on('REMOVE', (id, path) => sftp.status(id, files.delete(path) ? STATUS.OK : STATUS.NO_SUCH_FILE));
  sftp.on('RENAME', (id, from, to) => {
    const file = files.get(from);
    if (file === undefined || files.has(to)) {
      sftp.status(id, STATUS.FAILURE);
      return;
    }
    files.delete(from);
    files.set(to, file);
    sftp.status(id, STATUS.OK);
  });
}
