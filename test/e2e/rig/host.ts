/**
 * One real host: Debian under systemd in a namespace of its own, with the faults that befall hosts.
 *
 * What a test asserts is read from the host itself, from outside its network and its sshd: `exec` enters its namespaces,
 * so that it answers with the cable unplugged, a changed host key or sudo refused too (not while frozen or off).
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { must, type Ran, run, until } from './command.ts';
import { RIG_SCRIPTS, type RigSettings, scriptEnvironment } from './settings.ts';

export interface HostSpec {
  /** A DNS label, such as `web-01`; the value of its series' `fqdn` label too. */
  readonly name: string;
  readonly environment: string;
  readonly role: string;
  readonly zone: string;
  /** PID 1; default systemd. */
  readonly init?: 'systemd' | 'sysvinit';
  /** Where the machine's cgroup controllers allow only one of the two (settings.ts); default the rig's. */
  readonly cgroups?: RigSettings['cgroups'];
}

/** What runs and what is installed, as the host itself has it. */
export interface Running {
  /** What the running executable says of itself; empty when nothing runs. */
  readonly version: string;
  /** sha256 of the running process's executable, through /proc/PID/exe; empty when nothing runs. */
  readonly exeSha256: string;
  /** systemctl is-active: active, inactive, failed, activating, ... */
  readonly active: string;
  /** systemctl is-enabled: enabled, disabled, masked, ... */
  readonly enabled: string;
  /** Full Debian version by dpkg; empty when the package is not installed. */
  readonly installedVersion: string;
  /** dpkg's abbreviated status, such as `ii` or `iF`. */
  readonly packageStatus: string;
  /** 0 when nothing runs. */
  readonly mainPid: number;
  /** Processes named osqueryd; a watcher and a worker are two. */
  readonly processes: number;
  /** systemd's NRestarts. */
  readonly restarts: number;
  readonly bootId: string;
}

const RUNNING = `
pid=$(systemctl show --property MainPID --value osqueryd)
echo "mainPid=$pid"
echo "restarts=$(systemctl show --property NRestarts --value osqueryd)"
echo "active=$(systemctl is-active osqueryd)"
echo "enabled=$(systemctl is-enabled osqueryd 2>/dev/null)"
echo "installedVersion=$(dpkg-query --show --showformat '\${Version}' osquery 2>/dev/null)"
echo "packageStatus=$(dpkg-query --show --showformat '\${db:Status-Abbrev}' osquery 2>/dev/null)"
echo "processes=$(pgrep --count --exact osqueryd)"
echo "bootId=$(cat /proc/sys/kernel/random/boot_id)"
if [ "$pid" != 0 ]; then
  echo "version=$("/proc/$pid/exe" --version 2>/dev/null | sed 's/.* //')"
  echo "exeSha256=$(sha256sum "/proc/$pid/exe" 2>/dev/null | cut -d' ' -f1)"
fi`;

/** Half a second where nothing else runs. */
const BOOT = { timeoutMs: 90_000 };

/** Holds both of dpkg's locks, as an unattended upgrade does, until its standard input ends. */
const HOLD_DPKG_LOCK = `
use Fcntl;
for my $path ('/var/lib/dpkg/lock-frontend', '/var/lib/dpkg/lock') {
  open(my $file, '+>>', $path) or die "$path: $!";
  push @held, $file;
  my $lock = pack('s s x4 q q i x4', F_WRLCK, 0, 0, 0, 0);
  fcntl($file, F_SETLK, $lock) or die "$path: $!";
}
$| = 1;
print "held\\n";
my $rest = <STDIN>;`;

export interface DpkgLock {
  release(): Promise<void>;
}

/** What the fleet knows of a host besides its specification. */
export interface HostPlace {
  readonly settings: RigSettings;
  /** 1 for the first. */
  readonly number: number;
  readonly diskMib: number;
  /** Private half of its own host key. */
  readonly hostKey: string;
  /** ssh arguments of a login as ops with the right key and known host keys. */
  readonly sshArguments: readonly string[];
}

export class RigHost {
  readonly spec: HostSpec;
  readonly name: string;
  /** A string of digits, as an instance id. */
  readonly id: string;
  readonly address: string;
  readonly #place: HostPlace;
  readonly #folder: string;
  #locks: DpkgLock[] = [];

  constructor(spec: HostSpec, place: HostPlace) {
    this.spec = spec;
    this.name = spec.name;
    this.id = String(1000 + place.number);
    this.address = `${place.settings.net}.${10 + place.number}`;
    this.#place = place;
    this.#folder = join(place.settings.state, 'hosts', spec.name);
  }

  /** Its host key as it would publish it: type and base64. */
  async publicKey(): Promise<{ readonly type: string; readonly base64: string }> {
    const [type = '', base64 = ''] = (await readFile(`${this.#place.hostKey}.pub`, 'utf8')).split(' ');
    return { type, base64 };
  }

  async #script(action: string, ...args: readonly string[]): Promise<void> {
    const { settings } = this.#place;
    await must(join(RIG_SCRIPTS, 'host.sh'), [action, this.name, ...args], {
      env: scriptEnvironment({ ...settings, cgroups: this.spec.cgroups ?? settings.cgroups }),
    });
  }

  /** Makes its network, its disk over `lower` (overlay syntax), and boots it. Waits until it is up. */
  async create(lower: string): Promise<void> {
    await this.#script('wire', String(this.#place.number));
    await this.#lay(lower);
    await this.boot();
  }

  async #lay(lower: string): Promise<void> {
    const { number, diskMib, hostKey } = this.#place;
    await this.#script('lay', String(number), String(diskMib), hostKey, lower, this.spec.role);
  }

  /** Back to a host that has just been made: everything ever written on it is gone, all faults are mended, it is booted anew. */
  async reset(lower: string): Promise<void> {
    await this.crash();
    await this.#script('unlay');
    await this.#lay(lower);
    await this.netUp();
    await this.boot();
  }

  /** Power on after `crash`. Returns when systemd says that it has booted and sshd answers. */
  async boot(): Promise<void> {
    await this.#script('boot');
    await this.#waitUntilUp();
  }

  /** Power cut: nothing on it runs any more; its disk stays. */
  async crash(): Promise<void> {
    this.#locks = [];
    await this.#script('crash');
  }

  /** Orderly reboot, as `systemctl reboot` typed on it. Returns when it is up again. */
  async reboot(): Promise<void> {
    const before = await this.#leader();
    await this.exec('systemctl reboot');
    await this.rebooted(before);
  }

  /** Waits until another boot than that of `before` (of `bootMark`) is up. */
  async rebooted(before: number | undefined): Promise<void> {
    await until(`${this.name} boots again`, async () => {
      const leader = await this.#leader();
      return leader !== undefined && leader !== before;
    });
    await this.#waitUntilUp();
  }

  /** Names the present boot, for `rebooted`; undefined while off. */
  async bootMark(): Promise<number | undefined> {
    return await this.#leader();
  }

  async #waitUntilUp(): Promise<void> {
    const console = join(this.#folder, 'console.log');
    try {
      await until(`${this.name} has a PID 1`, async () => (await this.#leader()) !== undefined);
      await until(`sshd of ${this.name} answers`, async () => await greets(this.address), BOOT);
      // Prints `running` or `degraded` when the boot is over; D-Bus may refuse in its first moments.
      await until(
        `${this.name} has booted`,
        async () => {
          if (this.spec.init === 'sysvinit') return (await this.exec('test -e /run/rig-booted')).code === 0;
          const state = (await this.exec('systemctl is-system-running --wait')).stdout.trim();
          return state === 'running' || state === 'degraded';
        },
        BOOT,
      );
    } catch (error) {
      const log = existsSync(console)
        ? (await readFile(console, 'utf8')).split('\n').slice(-15).join('\n')
        : '';
      throw new Error(`host ${this.name} did not come up; the end of its console:\n${log}`, { cause: error });
    }
  }

  /** The host's PID 1, by this machine's numbering; undefined while it is off. */
  async #leader(): Promise<number | undefined> {
    try {
      const nspawn = (await readFile(join(this.#folder, 'nspawn.pid'), 'utf8')).trim();
      const children = (await readFile(`/proc/${nspawn}/task/${nspawn}/children`, 'utf8')).trim().split(' ');
      for (const child of children) {
        if (child !== '' && /^NSpid:\t\d+\t1$/m.test(await readFile(`/proc/${child}/status`, 'utf8')))
          return Number(child);
      }
    } catch {
      // Not started yet, or gone between two reads: off.
    }
    return undefined;
  }

  async #enter(command: readonly string[]): Promise<string[]> {
    const leader = await this.#leader();
    if (leader === undefined) throw new Error(`host ${this.name} is off: nothing can be run on it`);
    const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    return [
      '--target',
      String(leader),
      '--mount',
      '--uts',
      '--ipc',
      '--net',
      '--pid',
      'env',
      '-i',
      path,
      ...command,
    ];
  }

  /** Runs shell text as root on the host, without ssh. Throws when it does not end (frozen) or the host is off. */
  async exec(text: string, timeoutMs = 30_000): Promise<Ran> {
    return await run('nsenter', await this.#enter(['sh', '-c', text]), { timeoutMs });
  }

  /** As `exec`, but throws at a status other than 0; gives what was printed, trimmed. */
  async sh(text: string, timeoutMs = 30_000): Promise<string> {
    return (await must('nsenter', await this.#enter(['sh', '-c', text]), { timeoutMs })).trim();
  }

  /** Runs text over real ssh as ops, with the known host key, by OpenSSH's client. */
  async ssh(text: string, timeoutMs = 15_000): Promise<Ran> {
    return await run('ssh', [...this.#place.sshArguments, `ops@${this.address}`, text], { timeoutMs });
  }

  /** Where this machine finds a file of its disk, also while it is off. */
  onDisk(path: string): string {
    return join(this.#folder, 'root', path);
  }

  /** Copies a file of this machine onto its disk, as root's. */
  async put(file: string, path: string): Promise<void> {
    await must('cp', [file, this.onDisk(path)]);
  }

  /** Reads what runs and what is installed. Throws while it is frozen or off. */
  async running(): Promise<Running> {
    const fields = new Map<string, string>();
    for (const line of (await this.exec(RUNNING)).stdout.split('\n')) {
      const at = line.indexOf('=');
      if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1).trim());
    }
    const text = (name: string): string => fields.get(name) ?? '';
    const count = (name: string): number => {
      const value = Number(fields.get(name));
      if (!Number.isInteger(value))
        throw new Error(`host ${this.name}: ${name} is ${fields.get(name) ?? 'missing'}, not a number`);
      return value;
    };
    return {
      version: text('version'),
      exeSha256: text('exeSha256'),
      active: text('active'),
      enabled: text('enabled'),
      installedVersion: text('installedVersion'),
      packageStatus: text('packageStatus'),
      mainPid: count('mainPid'),
      processes: count('processes'),
      restarts: count('restarts'),
      bootId: text('bootId'),
    };
  }

  /** Every process on it stops in mid-instruction; its kernel still answers pings and takes connections. */
  async freeze(): Promise<void> {
    await this.#setFrozen('1');
  }

  async thaw(): Promise<void> {
    await this.#setFrozen('0');
  }

  async #setFrozen(value: '0' | '1'): Promise<void> {
    const group = (await readFile(join(this.#folder, 'cgroup'), 'utf8')).trim();
    await writeFile(join(group, 'cgroup.freeze'), value);
    await until(`${this.name} is ${value === '1' ? 'frozen' : 'thawed'}`, async () =>
      (await readFile(join(group, 'cgroup.events'), 'utf8')).includes(`frozen ${value}`),
    );
  }

  /** Pulls the cable: packets are lost, nothing is refused. */
  async netDown(): Promise<void> {
    await this.#setLink('down');
  }

  async netUp(): Promise<void> {
    await this.#setLink('up');
  }

  async #setLink(state: 'up' | 'down'): Promise<void> {
    const link = (await readFile(join(this.#folder, 'link'), 'utf8')).trim();
    await must('ip', ['link', 'set', link, state]);
  }

  /** Fills its disk up to `leaveKib` KiB, from outside: nothing on the host can make room. */
  async fillDisk({ leaveKib = 0 }: { leaveKib?: number } = {}): Promise<void> {
    await this.emptyDisk();
    const disk = join(this.#folder, 'disk');
    const { bavail, bsize } = await statfs(disk);
    const bytes = bavail * bsize - leaveKib * 1024;
    if (bytes > 0) await must('fallocate', ['--length', String(bytes), join(disk, 'filling')]);
  }

  async emptyDisk(): Promise<void> {
    await rm(join(this.#folder, 'disk', 'filling'), { force: true });
  }

  /** Holds dpkg's locks by a process on the host, until `release`, `crash` or `reset`. */
  async holdDpkgLock(): Promise<DpkgLock> {
    const child = spawn('nsenter', await this.#enter(['perl', '-e', HOLD_DPKG_LOCK]), {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
    let said = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    child.stdin.on('error', () => {
      // The host was cut off under it: nothing is left to be released.
    });
    await until(`dpkg's lock of ${this.name} is held`, () => {
      if (complaint !== '') throw new Error(`host ${this.name}: ${complaint.trim()}`);
      return said.includes('held');
    });
    const lock = {
      release: async (): Promise<void> => {
        child.stdin.end();
        await ended;
      },
    };
    this.#locks.push(lock);
    return lock;
  }

  /** Releases every dpkg lock that `holdDpkgLock` took. */
  async releaseDpkgLocks(): Promise<void> {
    for (const lock of this.#locks.splice(0)) await lock.release();
  }

  /** From now on its load costs the agent so much of a core (percent), whatever its version. 0: none. */
  async setLoad(percent: number): Promise<void> {
    await this.sh(
      `echo ${percent} > /etc/rollout-rig/load.new && mv /etc/rollout-rig/load.new /etc/rollout-rig/load`,
    );
  }

  /** From now on its sshd shows another host key than the one known, as a VM made anew under the same address would. */
  async changeHostKey(): Promise<void> {
    const key = '/etc/ssh/ssh_host_ed25519_key';
    await this.sh(
      `rm ${key} ${key}.pub && ssh-keygen -q -t ed25519 -N '' -f ${key} && systemctl restart ssh`,
    );
  }

  /** ops may log in but no longer use sudo. */
  async refuseSudo(): Promise<void> {
    await this.sh('mv /etc/sudoers.d/ops /root/sudoers-ops');
  }

  async allowSudo(): Promise<void> {
    await this.sh('mv /root/sudoers-ops /etc/sudoers.d/ops');
  }
}

/** Does something on port 22 begin to speak SSH? */
async function greets(address: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host: address, port: 22, timeout: 500 });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('data', (data) => end(data.toString('latin1').startsWith('SSH-')));
    socket.on('timeout', () => end(false));
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
  });
}
