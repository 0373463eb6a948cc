/**
 * A host order as the text that reaches the host: its parameters, and the command line that the login shell is given.
 * Pure, so that a dry run prints and a test asserts exactly what would be sent.
 *
 * HC1  The program's text goes over stdin, never into the command line. HC2  Every parameter is single-quoted.
 * HC3  No control character gets through: what cannot be quoted for every shell is refused.
 */
import type { HostOrder, PackageRef } from './host-order.ts';
import { HOST_PROGRAM_FILES } from './host-programs.ts';
import { unreachable } from './result.ts';

export interface CommandOptions {
  /** Absolute folder on the host that holds the packages delivered for this order. */
  readonly incoming?: string;
}

/** The order as `key=value` words, in the order in which the programs document them. Throws on a control character (HC3). */
export function orderParameters(order: HostOrder, options: CommandOptions = {}): readonly string[] {
  const words = [
    ...parametersOf(order),
    ...(options.incoming === undefined ? [] : [word('incoming', options.incoming)]),
  ];
  return words;
}

/**
 * What the login shell on the host runs: `sudo -n sh -s -- 'key=value' ...`. `-n` because nobody can type a password;
 * `-s` because the program comes over stdin.
 */
export function hostCommandLine(order: HostOrder, options: CommandOptions = {}): string {
  return ['sudo -n sh -s --', ...orderParameters(order, options).map(singleQuoted)].join(' ');
}

/** One line for a dry run: what would be piped into what. */
export function describeOrder(order: HostOrder, options: CommandOptions = {}): string {
  return `cat ${HOST_PROGRAM_FILES[order.program].join(' ')} | ${hostCommandLine(order, options)}`;
}

/** Quotes for any POSIX shell: everything between single quotes is literal, and a single quote leaves and re-enters them. */
export function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function parametersOf(order: HostOrder): string[] {
  const agent = [
    word('package', order.agent.package),
    word('service', order.agent.service),
    word('executable', order.agent.executable),
    ...(order.instanceId === undefined ? [] : [word('instance_id', order.instanceId)]),
  ];
  switch (order.program) {
    case 'look':
      return agent;
    case 'prove':
      return [
        ...agent,
        word('order', order.orderId),
        ...packageWords('target', order.target),
        word('prove_ms', order.proveMs),
      ];
    case 'upgrade':
    case 'revert':
      return [
        ...agent,
        word('order', order.orderId),
        word('environment', order.environment),
        word('fence', order.fence),
        ...packageWords('target', order.target),
        ...packageWords('previous', order.previous),
        word('prove_ms', order.proveMs),
        word('lock_timeout_s', order.lockTimeoutS),
      ];
    case 'status':
    case 'service':
    case 'install':
    case 'remove':
      throw new Error(`not built yet: ${order.program}`);
    default:
      return unreachable(order);
  }
}

function packageWords(prefix: 'target' | 'previous', ref: PackageRef): string[] {
  return [
    word(`${prefix}_sha256`, ref.sha256),
    word(`${prefix}_size`, ref.size),
    word(`${prefix}_version`, ref.packageVersion),
    word(`${prefix}_exe`, ref.executablePath),
    word(`${prefix}_exe_sha256`, ref.executableSha256),
  ];
}

function word(key: string, value: string | number): string {
  const text = String(value);
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(text)) {
    throw new TypeError(`host parameter ${key} holds a control character: ${JSON.stringify(text)}`);
  }
  return `${key}=${text}`;
}
