/** One host as a folder: the real host programs run in a real sh against the embedded fleet's stand-ins for systemd and dpkg. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeDeb } from '../../src/adapters/deb/write.ts';
import { createHostPrograms } from '../../src/adapters/ssh/programs.ts';
import type { HostAnswer } from '../../src/domain/host-answer.ts';
import { orderParameters } from '../../src/domain/host-command.ts';
import type {
  HostOrder,
  HostStep,
  PackageRef,
  ServiceOrder,
  StatusOrder,
} from '../../src/domain/host-order.ts';
import { HOST_PROGRAM_FILES } from '../../src/domain/host-programs.ts';
import type { HoldTerms, ServiceVerb } from '../../src/domain/lifecycle.ts';
import { type FolderCopy, readFolder, writeFolder } from './folder-copy.ts';

const SOURCE = fileURLToPath(new URL('../../src/', import.meta.url));
/** Each unpacking would else compile the same files anew, which takes longer than all it does. */
const COMPILED = fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url));
/** As they are sent. */
const PROGRAMS = createHostPrograms();
const TEXTS = new Map<string, string>();
for (const program of Object.keys(HOST_PROGRAM_FILES) as HostOrder['program'][])
  TEXTS.set(program, await PROGRAMS.text(program));

const EXECUTABLE = '/opt/osquery/bin/osqueryd';
const AGENT = { package: 'osquery', service: 'osqueryd', executable: EXECUTABLE };
const UNIT = `[Unit]\nDescription=agent\n[Service]\nExecStart=${EXECUTABLE} --flagfile /etc/osquery/osquery.flags\nRestart=on-failure\n`;

/** The stand-in executable is a text of assignments; run by a shell it says what the real one says. */
const TELLS_VERSION = `[ "$*" != --version ] || echo "osqueryd version \${version%%-*}"`;

/** Runs the same words as systemd would, as an init script. */
const INIT_SCRIPT = '#!/bin/sh\nexec systemctl "$1" osqueryd\n';

/** `timeout` makes a process group of its own, which a kill of ours would miss. */
const STAYS_IN_GROUP = 'shift 3; exec "$@"';

export const HOLD: HoldTerms = {
  actionId: 'a-1',
  environment: 'gstg',
  by: 'ops@laptop',
  reason: 'it eats production',
  since: 1_700_000_000_000,
  until: 1_700_086_400_000,
};

export interface Package {
  readonly ref: PackageRef;
  readonly bytes: Buffer;
}

export interface PackageOptions {
  /** Lines of the stand-in executable, such as `crash=1`. */
  readonly behaviour?: string;
  readonly postinst?: string;
  readonly preinst?: string;
}

export function makePackage(version: string, options: PackageOptions = {}): Package {
  const executable = `version=${version}\n${options.behaviour ?? ''}\n${TELLS_VERSION}\n`;
  const scripts: Record<string, string> = {};
  if (options.postinst !== undefined) scripts['postinst'] = `#!/bin/sh\n${options.postinst}\n`;
  if (options.preinst !== undefined) scripts['preinst'] = `#!/bin/sh\n${options.preinst}\n`;
  const bytes = writeDeb({
    package: 'osquery',
    version,
    architecture: 'amd64',
    contents: [
      { kind: 'file', path: EXECUTABLE, content: executable, mode: 0o755 },
      { kind: 'symlink', path: '/usr/bin/osqueryd', target: EXECUTABLE },
      { kind: 'file', path: '/usr/lib/systemd/system/osqueryd.service', content: UNIT },
      { kind: 'file', path: '/etc/default/osqueryd', content: `# ${version}\n` },
    ],
    conffiles: ['/etc/default/osqueryd'],
    scripts,
  });
  return {
    bytes,
    ref: {
      sha256: sha256(bytes),
      size: bytes.length,
      packageVersion: version,
      executablePath: EXECUTABLE,
      executableSha256: sha256(executable),
    },
  };
}

export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

export interface RunOptions {
  /** Ends the program with SIGKILL when it has told this many lines. */
  readonly killAfterSteps?: number;
  /** Ends it with SIGKILL after this time, ms. */
  readonly killAfterMs?: number;
  /** Ends the whole process group, as a host that loses power does. */
  readonly killAll?: boolean;
  /** Stops reading its output after this many lines, as a dead connection does. */
  readonly hangUpAfterSteps?: number;
  /** Stand-ins that come before the usual ones: name to script. */
  readonly tools?: Readonly<Record<string, string>>;
  readonly parameters?: readonly string[];
  /** The only commands of the machine that are found, by name; all by default. */
  readonly only?: readonly string[];
  /** Further variables that the program finds. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Hosts on which a package was installed before anything else, by the package's sha256. */
const INSTALLED = new Map<string, FolderCopy>();

export class ShimHost {
  readonly root: string;
  /** Whether timers fire by themselves; otherwise `fire` does it. */
  timers = false;
  #boots = 1;
  readonly #made: string;

  /** @param like A host kept by `keep`, which this one is to be the same as; default: nothing is installed. */
  constructor(like: FolderCopy = []) {
    this.#made = mkdtempSync(join(tmpdir(), 'rollout-host-'));
    this.root = join(this.#made, 'root');
    mkdirSync(join(this.root, 'proc/sys/kernel/random'), { recursive: true });
    writeFolder(this.root, like);
    writeFileSync(
      join(this.root, 'proc/sys/kernel/random/boot_id'),
      '5a6b0b34-0000-4000-8000-000000000001\n',
    );
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  /** Installs a package by the stand-in dpkg; the service is enabled and started unless told otherwise. */
  async install(made: Package, service: 'running' | 'stopped' = 'running'): Promise<void> {
    const isNew = this.files('').join() === 'proc' && this.files('proc').join() === 'sys';
    const copy = isNew ? INSTALLED.get(made.ref.sha256) : undefined;
    if (copy === undefined) {
      const file = join(this.#made, 'first.deb');
      writeFileSync(file, made.bytes);
      await this.command(`dpkg -i '${file}' && systemctl enable osqueryd`);
      if (isNew) INSTALLED.set(made.ref.sha256, this.keep());
    } else {
      writeFolder(this.root, copy);
    }
    if (service === 'running') await this.command('systemctl start osqueryd');
  }

  /** As it stands, for hosts that begin like it. Not while something runs on it. */
  keep(): FolderCopy {
    return readFolder(this.root);
  }

  deliver(...packages: readonly Package[]): void {
    mkdirSync(this.path('home/ops/.cache/rollout'), { recursive: true });
    for (const made of packages) {
      writeFileSync(this.path('home/ops/.cache/rollout', `${made.ref.sha256}.deb`), made.bytes);
    }
  }

  order(program: 'upgrade' | 'revert', target: Package, previous: Package, more: object = {}): HostOrder {
    return {
      program,
      agent: AGENT,
      orderId: 'r-1',
      environment: 'gstg',
      fence: 7,
      target: target.ref,
      previous: previous.ref,
      proveMs: 250,
      lockTimeoutS: 0,
      ...more,
    };
  }

  /** Of an upgrade of `order`: says that all is well, or to wait on so long. */
  confirm(target: Package, renewS?: number): HostOrder {
    return {
      program: 'confirm',
      verb: renewS === undefined ? 'confirm' : 'renew',
      agent: AGENT,
      orderId: 'r-1',
      environment: 'gstg',
      fence: 7,
      target: target.ref,
      ...(renewS === undefined ? {} : { revertAfterS: renewS }),
    };
  }

  prove(target: Package): HostOrder {
    return { program: 'prove', agent: AGENT, orderId: 'r-1', target: target.ref, proveMs: 250 };
  }

  /** A `service` order; with `hold: true` it leaves one behind. */
  service(
    verb: ServiceVerb,
    more: Partial<Omit<ServiceOrder, 'hold'>> & { readonly hold?: boolean | Partial<HoldTerms> } = {},
  ): HostOrder {
    const { hold, ...rest } = more;
    return {
      program: 'service',
      agent: AGENT,
      verb,
      now: false,
      brake: 'mask',
      commands: [],
      starters: [],
      proveMs: 250,
      ...rest,
      ...(hold === undefined || hold === false ? {} : { hold: { ...HOLD, ...(hold === true ? {} : hold) } }),
    };
  }

  status(more: Partial<StatusOrder> = {}): HostOrder {
    return { program: 'status', agent: AGENT, sampleMs: 0, starters: [], ...more };
  }

  /** systemd does not answer any more, and the service has an init script. */
  async withoutSystemd(): Promise<void> {
    mkdirSync(this.path('etc/init.d'), { recursive: true });
    writeFileSync(this.path('etc/init.d/osqueryd'), INIT_SCRIPT);
    chmodSync(this.path('etc/init.d/osqueryd'), 0o755);
    await this.command('update-rc.d osqueryd defaults');
    writeFileSync(this.path('run/systemd-shim-down'), '');
  }

  /** A process as /proc shows it; it is in no unit's cgroup. */
  process(pid: number, of: { readonly comm?: string; readonly commandLine?: string } = {}): void {
    const folder = this.path('proc', String(pid));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'exe'), readFileSync(this.path(EXECUTABLE)));
    writeFileSync(join(folder, 'comm'), `${of.comm ?? 'osqueryd'}\n`);
    writeFileSync(
      join(folder, 'cmdline'),
      (of.commandLine ?? `${EXECUTABLE} --ephemeral`).replaceAll(' ', '\0'),
    );
    writeFileSync(join(folder, 'cgroup'), '0::/user.slice\n');
  }

  look(): HostOrder {
    return { program: 'look', agent: AGENT };
  }

  start(order: HostOrder, options: RunOptions = {}): { child: ChildProcess; answer: Promise<HostAnswer> } {
    const text = TEXTS.get(order.program);
    if (text === undefined) throw new Error(`no text of ${order.program}`);
    const words = [
      ...orderParameters(order, { incoming: '/home/ops/.cache/rollout' }),
      ...(options.parameters ?? []),
    ];
    const child = spawn('sh', ['-s', '--', ...words], {
      env: {
        ...this.#env(
          options.killAll ? { ...options.tools, timeout: STAYS_IN_GROUP } : options.tools,
          options.only,
        ),
        ...options.environment,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    child.stdin.on('error', () => {});
    child.stdin.end(text);
    const kill = (): void => {
      if (options.killAll === true && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      else child.kill('SIGKILL');
    };
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
      const lines = stdout.split('\n').length - 1;
      if (options.killAfterSteps !== undefined && lines >= options.killAfterSteps) kill();
      if (options.hangUpAfterSteps !== undefined && lines >= options.hangUpAfterSteps) {
        child.stdout.destroy();
        child.stderr.destroy();
      }
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    const timer = options.killAfterMs === undefined ? undefined : setTimeout(kill, options.killAfterMs);
    const answer = new Promise<HostAnswer>((resolve) => {
      const done = (code: number | null): void => {
        clearTimeout(timer);
        const steps = stdout
          .split('\n')
          .filter((line) => line.endsWith('}'))
          .map((line) => JSON.parse(line) as HostStep);
        resolve({ exitCode: code ?? -1, steps, stderr });
      };
      // A killed program's children may hold its pipes: then its own end is what counts.
      if (options.killAfterMs ?? options.killAfterSteps ?? options.hangUpAfterSteps) child.on('exit', done);
      else child.on('close', done);
    });
    return { child, answer };
  }

  run(order: HostOrder, options: RunOptions = {}): Promise<HostAnswer> {
    return this.start(order, options).answer;
  }

  /** Runs what the timer of an armed host runs, as systemd would; it must have left its program there. */
  async fire(options: RunOptions = {}): Promise<{ readonly code: number | null; readonly out: string }> {
    const child = spawn('/bin/sh', [this.path('var/lib/rollout/revert/program'), 'fired'], {
      env: { ...this.#env(options.tools), ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      out += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      out += chunk;
    });
    const kill = (): void => {
      if (options.killAll === true && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      else child.kill('SIGKILL');
    };
    const timer = options.killAfterMs === undefined ? undefined : setTimeout(kill, options.killAfterMs);
    const code = await new Promise<number | null>((resolve) =>
      child.on(options.killAfterMs === undefined ? 'close' : 'exit', resolve),
    );
    clearTimeout(timer);
    return { code, out };
  }

  /** A reboot, as far as a folder has one: another boot id, and what lies in memory is gone. Timers do not start by themselves. */
  reboot(): void {
    rmSync(this.path('run'), { recursive: true, force: true });
    for (const name of readdirSync(this.path('proc')))
      if (/^\d+$/.test(name)) rmSync(this.path('proc', name), { recursive: true, force: true });
    this.#boots += 1;
    writeFileSync(
      this.path('proc/sys/kernel/random/boot_id'),
      `5a6b0b34-0000-4000-8000-00000000000${this.#boots}\n`,
    );
  }

  /** Runs a line of sh with the stand-ins; its stdout. Throws when it fails. */
  async command(line: string): Promise<string> {
    const child = spawn('sh', ['-c', line], { env: this.#env(), stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let said = '';
    child.stdout.on('data', (chunk) => {
      out += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      said += String(chunk);
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`${line}: exit ${String(code)}: ${said}`);
    return out.trim();
  }

  /** What runs, what is installed and how the service stands, read from the folder. */
  async state(): Promise<{ running: string; installed: string; version: string; unit: string }> {
    const shown = await this.command(
      'systemctl show osqueryd -p ActiveState,UnitFileState,MainPID; dpkg-query -W -f x osquery',
    );
    const pid = /MainPID=(\d+)/.exec(shown)?.[1] ?? '0';
    const executable = this.path('proc', pid, 'exe');
    return {
      running: pid === '0' || !existsSync(executable) ? '' : sha256(readFileSync(executable)),
      installed: sha256(readFileSync(this.path(EXECUTABLE))),
      version: shown.split('\n').at(-1) ?? '',
      unit: `${/ActiveState=(\w+)/.exec(shown)?.[1]} ${/UnitFileState=(\w*)/.exec(shown)?.[1]}`,
    };
  }

  /** Files below a folder of the host, sorted; empty when there is none. */
  files(folder: string): string[] {
    const path = this.path(folder);
    return existsSync(path) ? readdirSync(path).sort() : [];
  }

  remove(): void {
    rmSync(this.#made, { recursive: true, force: true, maxRetries: 5 });
  }

  #env(tools: Readonly<Record<string, string>> = {}, only?: readonly string[]): NodeJS.ProcessEnv {
    const own = join(this.#made, 'tools');
    for (const [name, script] of Object.entries(tools)) {
      mkdirSync(own, { recursive: true });
      writeFileSync(join(own, name), `#!/bin/sh\n${script}\n`);
      chmodSync(join(own, name), 0o755);
    }
    const path = [
      ...(Object.keys(tools).length > 0 ? [own] : []),
      join(SOURCE, 'adapters/sandbox/bin'),
      dirname(process.execPath),
      process.env['PATH'] ?? '/usr/bin:/bin',
    ];
    if (only !== undefined) path.splice(-2, 2, this.#onlyThese(only));
    return {
      PATH: path.join(delimiter),
      ROLLOUT_ROOT: this.root,
      ROLLOUT_NODE: process.execPath,
      NODE_COMPILE_CACHE: COMPILED,
      ...(this.timers ? { ROLLOUT_OWNER: String(process.pid) } : {}),
    };
  }

  /** A folder with links to these commands of the machine. */
  #onlyThese(names: readonly string[]): string {
    const folder = join(this.#made, 'only');
    mkdirSync(folder, { recursive: true });
    for (const name of names) {
      const found = (process.env['PATH'] ?? '/usr/bin:/bin')
        .split(delimiter)
        .map((part) => join(part, name))
        .find((file) => existsSync(file));
      if (found === undefined) throw new Error(`this machine has no ${name}`);
      if (!existsSync(join(folder, name))) symlinkSync(found, join(folder, name));
    }
    return folder;
  }
}
