/**
 * A host order as the text that reaches the host: its parameters, and the command line that the login shell is given.
 * Pure, so that a dry run prints and a test asserts exactly what would be sent.
 *
 * HC1  The program's text goes over stdin, never into the command line. HC2  Every parameter is single-quoted.
 * HC3  No control character gets through: what cannot be quoted for every shell is refused.
 * HC4  What a person wrote (who, why, and the words of a controller that hold it) is mended instead of refused: no line feed in a
 *      reason may keep an emergency from being carried out.
 */
import type {
  HostOrder,
  InstallOrder,
  PackageRef,
  RemoveOrder,
  ServiceOrder,
  StatusOrder,
} from './host-order.ts';
import { BROUGHT_ALONG, HOST_PROGRAM_FILES } from './host-programs.ts';
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
  const along = BROUGHT_ALONG[order.program];
  const files = [...HOST_PROGRAM_FILES[order.program], ...(along === undefined ? [] : [`(and ${along})`])];
  return `cat ${files.join(' ')} | ${hostCommandLine(order, options)}`;
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
        ...armWords(order),
        ...databaseWords(order),
      ];
    case 'confirm':
      return [
        ...agent,
        word('verb', order.verb),
        ...actionWords(order),
        ...packageWords('target', order.target),
        ...(order.revertAfterS === undefined ? [] : [word('revert_after_s', order.revertAfterS)]),
      ];
    case 'collect':
      return [...agent, word('since_s', order.sinceS), word('lines', order.lines)];
    case 'probe':
      return [...agent, word('sample_ms', order.sampleMs), word('results_log', order.resultsLog)];
    case 'status':
      return [...agent, ...statusWords(order)];
    case 'service':
      return [...agent, ...serviceWords(order)];
    case 'install':
      return [
        ...agent,
        ...actionWords(order),
        ...installWords(order),
        word('lock_timeout_s', order.lockTimeoutS),
      ];
    case 'remove':
      return [
        ...agent,
        ...actionWords(order),
        word('lock_timeout_s', order.lockTimeoutS),
        ...removeWords(order),
      ];
    default:
      return unreachable(order);
  }
}

/** A revert arms nothing. */
function armWords(order: Extract<HostOrder, { readonly program: 'upgrade' | 'revert' }>): string[] {
  if (order.program !== 'upgrade' || order.arm === undefined) return [];
  const { revertAfterS, disarm, guardCpuPercent, guardMemoryBytes } = order.arm;
  return [
    word('revert_after_s', revertAfterS),
    word('disarm', disarm),
    ...(guardCpuPercent === undefined ? [] : [word('guard_cpu_percent', guardCpuPercent)]),
    ...(guardMemoryBytes === undefined ? [] : [word('guard_memory_bytes', guardMemoryBytes)]),
  ];
}

function databaseWords({
  database,
}: Extract<HostOrder, { readonly program: 'upgrade' | 'revert' }>): string[] {
  return database === undefined
    ? []
    : [word('database', database.policy), word('database_path', database.path)];
}

function statusWords({ sampleMs, starters }: StatusOrder): string[] {
  return [word('sample_ms', sampleMs), ...starters.map((starter) => word('starter', starter))];
}

function serviceWords({ verb, now, brake, proveMs, starters, hold, commands }: ServiceOrder): string[] {
  return [
    word('verb', verb),
    word('now', String(now)),
    word('brake', brake),
    word('prove_ms', proveMs),
    ...starters.map((starter) => word('starter', starter)),
    ...(hold === undefined
      ? []
      : [
          word('hold_action', hold.actionId),
          word('hold_environment', hold.environment),
          personsWord('hold_by', hold.by),
          personsWord('hold_reason', hold.reason),
          word('hold_since', hold.since),
          word('hold_until', hold.until),
        ]),
    // A `controller` begins the next one; what follows belongs to it.
    ...commands.flatMap(({ name, when, timeoutS, words }) => [
      word('controller', name),
      word('controller_when', when),
      word('controller_timeout_s', timeoutS),
      // Not cut: a command that lost its end would be another command.
      ...words.map((text) => word('controller_word', withoutControls(text))),
    ]),
  ];
}

function actionWords(order: {
  readonly orderId: string;
  readonly environment: string;
  readonly fence: number;
}) {
  return [word('order', order.orderId), word('environment', order.environment), word('fence', order.fence)];
}

function installWords({ target, proveMs }: InstallOrder): string[] {
  return [...packageWords('target', target), word('prove_ms', proveMs)];
}

function removeWords({ purge, purgePaths }: RemoveOrder): string[] {
  return [word('purge', String(purge)), ...purgePaths.map((path) => word('purge_path', path))];
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

/** Most characters of a text for people that a host is given. */
const TEXT_LIMIT = 1_000;

/** HC4. */
function personsWord(key: string, text: string): string {
  return word(key, Array.from(withoutControls(text)).slice(0, TEXT_LIMIT).join(''));
}

function withoutControls(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');
}

function word(key: string, value: string | number): string {
  const text = String(value);
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(text)) {
    throw new TypeError(`host parameter ${key} holds a control character: ${JSON.stringify(text)}`);
  }
  return `${key}=${text}`;
}
