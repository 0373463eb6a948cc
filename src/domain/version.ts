/**
 * Debian versions, `[epoch:]upstream[-revision]`: their order, and what an engineer may type for a release.
 *
 * The order is that of Debian policy 5.6.12, as `dpkg --compare-versions` has it; the tests compare the two.
 */
import { err, ok, type Result } from './result.ts';

/** A Debian version taken apart. `revision` is empty where there is none. */
export interface DebianVersion {
  readonly text: string;
  readonly epoch: number;
  readonly upstream: string;
  readonly revision: string;
}

export interface VersionError {
  readonly kind: 'invalid-version';
  readonly message: string;
}

/** Longest version accepted: it becomes a folder name, and file systems end at 255 bytes. */
const MAX_LENGTH = 128;

/**
 * Reads a version as typed (`5.10.2`) or as a package states it (`5.10.2-1.linux`). The message says what is wrong and,
 * where it can be guessed, what was meant.
 */
export function parseVersion(text: string): Result<DebianVersion, VersionError> {
  const wrong = (why: string): Result<DebianVersion, VersionError> =>
    err({ kind: 'invalid-version', message: `version ${JSON.stringify(text.slice(0, MAX_LENGTH))}: ${why}` });
  if (text === '') return wrong('it is empty; expected such as 5.10.2');
  if (text.length > MAX_LENGTH) return wrong(`longer than ${MAX_LENGTH} characters`);
  if (/^[vV]\d/.test(text)) return wrong(`a version begins with a digit; type ${text.slice(1)}`);
  const colon = text.indexOf(':');
  const epochText = colon < 0 ? '0' : text.slice(0, colon);
  if (!/^\d+$/.test(epochText)) return wrong('what stands before the colon (the epoch) is not a number');
  const epoch = Number(epochText);
  if (epoch > 2_147_483_647) return wrong('the epoch is larger than dpkg takes (2147483647)');
  const rest = text.slice(colon + 1);
  const dash = rest.lastIndexOf('-');
  const upstream = dash < 0 ? rest : rest.slice(0, dash);
  const revision = dash < 0 ? '' : rest.slice(dash + 1);
  if (dash >= 0 && revision === '') return wrong('nothing stands behind its last hyphen');
  if (!/^\d/.test(upstream)) return wrong('a version begins with a digit; expected such as 5.10.2');
  const stray = /[^A-Za-z0-9.+~:-]/.exec(upstream) ?? /[^A-Za-z0-9.+~]/.exec(revision);
  if (stray)
    return wrong(`${JSON.stringify(stray[0])} is not allowed; allowed are letters, digits and . + ~ -`);
  return ok({ text, epoch, upstream, revision });
}

/**
 * Order of two Debian versions: -1 when `a` is older, 1 when it is newer, 0 when dpkg takes them for the same (`1.0` and
 * `1.00`). Any text may be given; for one that is no version the order is total but means nothing.
 */
export function compareVersions(a: string, b: string): -1 | 0 | 1 {
  const left = split(a);
  const right = split(b);
  const order =
    compareDigits(left.epoch, right.epoch) ||
    comparePart(left.upstream, right.upstream) ||
    comparePart(left.revision, right.revision);
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

function split(text: string): { epoch: string; upstream: string; revision: string } {
  const [, epoch = '', upstream = '', revision = ''] = /^(?:([^:]*):)?(.*?)(?:-([^-]*))?$/s.exec(text) ?? [];
  return { epoch, upstream, revision };
}

/** Non-digits and digits in turn, from the left, until one run differs. */
function comparePart(a: string, b: string): number {
  const left: string[] = a.match(/\D+|\d+/g) ?? [];
  const right: string[] = b.match(/\D+|\d+/g) ?? [];
  if (/^\d/.test(a)) left.unshift('');
  if (/^\d/.test(b)) right.unshift('');
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const compare = i % 2 === 0 ? compareText : compareDigits;
    const order = compare(left[i] ?? '', right[i] ?? '');
    if (order !== 0) return order;
  }
  return 0;
}

/** Digits of any length, as numbers: an absent run counts as 0. */
function compareDigits(a: string, b: string): number {
  const left = a.replace(/^0+/, '');
  const right = b.replace(/^0+/, '');
  return left.length - right.length || (left < right ? -1 : left > right ? 1 : 0);
}

/** Letters come before all other signs, `~` before everything, even before the end. */
function compareText(a: string, b: string): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const order = weight(a[i]) - weight(b[i]);
    if (order !== 0) return order;
  }
  return 0;
}

function weight(sign: string | undefined): number {
  if (sign === undefined) return 0;
  if (sign === '~') return -1;
  return /[A-Za-z]/.test(sign) ? sign.charCodeAt(0) : sign.charCodeAt(0) + 0x10000;
}

/**
 * The same upstream with the next Debian revision: `5.10.2-2.linux` for `5.10.2-1.linux`, `5.10.2-2` for `5.10.2`. Another package of
 * the very same version would not be told from it on a host.
 */
export function revisedVersion(packageVersion: string): string {
  const at = packageVersion.lastIndexOf('-');
  const upstream = at < 0 ? packageVersion : packageVersion.slice(0, at);
  const [, digits = '1', rest = ''] = /^(\d+)(.*)$/u.exec(at < 0 ? '' : packageVersion.slice(at + 1)) ?? [];
  return `${upstream}-${Number(digits) + 1}${rest}`;
}

/**
 * Whether a package's full version belongs to the release that an engineer names: `5.10.2-1.linux` belongs to `5.10.2`, and
 * to `5.10.2-1.linux`. Compared as text: `5.10.02` is another release than `5.10.2`, though dpkg takes them for the same.
 */
export function releaseOf(packageVersion: string, releaseVersion: string): boolean {
  if (packageVersion === releaseVersion) return true;
  const parsed = parseVersion(packageVersion);
  return parsed.ok && parsed.value.upstream === releaseVersion;
}
