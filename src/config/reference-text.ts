/** The reference as text for a terminal: grouped as the files are, wrapped, whole or one part of it. */
import { BUILTIN_GATES } from '../domain/builtin-gates.ts';
import { formatDuration } from '../domain/duration.ts';
import { EXPRESSION_GUIDE } from '../domain/expression.ts';
import { nearestWord } from '../domain/nearest.ts';
import type { GatePolicy } from '../domain/policy.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { aboutFile, type ConfigKind, type ReferenceKey, referenceKeys } from './reference.ts';

export interface ReferenceView {
  /** A file (`environment`, `playbook`) or a key of one, such as `limits` or `inventory.hosts`; everything by default. */
  readonly part?: string;
  /** Columns to wrap at. */
  readonly width: number;
  /** Makes a key stand out; must not change its width. */
  readonly strong?: (text: string) => string;
}

export interface NoSuchPart {
  /** What can be named. */
  readonly allowed: readonly string[];
  readonly suggestion?: string;
}

const TITLES: Readonly<Record<ConfigKind, string>> = {
  environment: 'environments/NAME.yaml',
  playbook: 'playbooks/NAME.yaml',
};
const KINDS = ['environment', 'playbook'] as const;
/** Keys of playbooks that are an environment's own, laid underneath. */
const SHARED = ['waves', 'gates'];

export function renderReference(view: ReferenceView): Result<string, NoSuchPart> {
  const { part } = view;
  if (part === undefined) return ok([...KINDS.map((kind) => file(kind, view)), footer(view)].join('\n\n'));
  const kind = KINDS.find((one) => one === part);
  if (kind !== undefined) return ok(`${file(kind, view)}\n\n${footer(view)}`);
  const wanted = plainPath(part);
  const found = KINDS.flatMap((one) => {
    const keys = referenceKeys(one).filter((key) => isWithin(plainPath(key.path), wanted));
    const shared = one === 'playbook' && SHARED.includes(wanted.split('.')[0] ?? '');
    return keys.length === 0 || shared ? [] : [`${title(one)}${section(keys, view)}`];
  });
  if (found.length > 0) return ok([...found, footer(view)].join('\n\n'));
  const names = KINDS.flatMap((one) => referenceKeys(one).map((key) => plainPath(key.path)));
  const lasts = names.filter((name) => name.endsWith(`.${wanted}`));
  const meant = lasts[0] ?? nearestWord(wanted, names);
  const tops = names.filter((name) => !name.includes('.'));
  const allowed = [...new Set([...KINDS, ...tops])];
  return err(meant === null ? { allowed } : { allowed, suggestion: meant });
}

/** `inventory(gce).projects[]` as one types it: `inventory.projects`. */
function plainPath(path: string): string {
  return path.replaceAll(/\([^)]*\)|\[\]/g, '');
}

function isWithin(path: string, part: string): boolean {
  return path === part || path.startsWith(`${part}.`);
}

function title(kind: ConfigKind): string {
  return `${TITLES[kind]}\n${'='.repeat(TITLES[kind].length)}\n`;
}

function file(kind: ConfigKind, view: ReferenceView): string {
  const keys = referenceKeys(kind).filter(
    (key) => kind === 'environment' || !SHARED.some((shared) => plainPath(key.path).startsWith(`${shared}.`)),
  );
  return `${title(kind)}${wrap(aboutFile(kind), 0, view.width).join('\n')}\n${section(keys, view)}`;
}

/** Keys with a blank line before every key of the file itself; what is inside one is indented beneath it. */
function section(keys: readonly ReferenceKey[], view: ReferenceView): string {
  const lines: string[] = [];
  const base = Math.min(...keys.map(depthOf));
  let kind = '';
  for (const key of keys) {
    const depth = depthOf(key) - base;
    if (depth === 0) lines.push('');
    const own = kindOf(key.path);
    if (own !== kind && own !== '') lines.push('');
    kind = own;
    lines.push(...keyLines(key, depth, view));
  }
  return lines.join('\n');
}

function depthOf({ path }: ReferenceKey): number {
  return path.split('.').length - 1;
}

function kindOf(path: string): string {
  return /\([^)]*\)/.exec(path)?.[0] ?? '';
}

function keyLines(key: ReferenceKey, depth: number, view: ReferenceView): string[] {
  const { strong = (text: string) => text, width } = view;
  const indent = depth * 4;
  const name = nameOf(key, depth);
  const unit = key.unit === undefined ? '' : ` (unit: ${key.unit})`;
  const isChoice = kindOf(key.path) !== '' && name === 'kind';
  const what = isChoice ? `${name}: ${key.type}` : `${name}  ${key.type}${unit}; ${standingOf(key)}`;
  const head = wrap(what, indent, width, indent + 4);
  const [first = '', ...rest] = head;
  return [
    first.replace(name, () => strong(name)),
    ...rest,
    ...wrap(key.description, indent + 4, width),
    ...(key.takes === undefined ? [] : wrap(`Takes: ${key.takes}`, indent + 4, width, indent + 6)),
    ...(key.path === 'gates[].use' ? builtinGates(indent + 4, width) : []),
    ...(key.path === 'targeting.include'
      ? EXPRESSION_GUIDE.flatMap((line) => wrap(line, indent + 4, width, indent + 6))
      : []),
  ];
}

/** Beneath its parent a key goes by its own name; alone by its whole path. */
function nameOf({ path }: ReferenceKey, depth: number): string {
  return depth === 0 ? path : (path.split('.').at(-1) ?? path);
}

function standingOf({ required, fallback }: ReferenceKey): string {
  if (fallback !== undefined) return `default ${fallback}`;
  return required ? 'required' : 'may be left out';
}

function builtinGates(indent: number, width: number): string[] {
  return Object.values(BUILTIN_GATES).flatMap((gate) =>
    wrap(`${gate.name}: ${gateWords(gate)}`, indent, width, indent + 2),
  );
}

function gateWords({ compare, weight, failures = 1, ...gate }: GatePolicy): string {
  const words = [
    `${gate.direction} ${gate.limit} ${gate.unit}`,
    `window ${formatDuration(gate.windowMs)}`,
    `for ${formatDuration(gate.forMs)}`,
  ];
  if (weight?.kind === 'share') words.push(`share ${Number((weight.share * 100).toPrecision(3))}%`);
  if (weight?.kind === 'quantile') words.push(`quantile ${weight.quantile}`);
  if (failures > 1) words.push(`failures ${failures}`);
  if (compare !== undefined) {
    const parts = compare.relativeEffect > 0 ? ` or ${compare.relativeEffect} of it` : '';
    words.push(`compared with ${compare.with}: effect ${compare.effect}${parts}, alpha ${compare.alpha}`);
    words.push(`over ${formatDuration(compare.overMs)}, before ${formatDuration(compare.beforeMs)}`);
    if (compare.settleMs !== undefined) words.push(`settle ${formatDuration(compare.settleMs)}`);
  }
  return words.join(', ');
}

function footer({ width }: ReferenceView): string {
  return [
    'Durations are whole numbers with units, larger first: 500ms, 10s, 30m, 1h30m, 24h, 2d.',
    'Numbers of hosts are whole (25), or a share in quotes ("10%"). Versions and ids stand in quotes.',
    'Paths are relative to the file they stand in; ~/ is your home, ${state}/ the folder of local state.',
    'A part alone: `rollout config reference limits`. For an editor: `rollout config schema environment > environment.schema.json`, and as the first line of each environment `# yaml-language-server: $schema=../environment.schema.json`; the same with playbook.',
  ]
    .flatMap((line) => wrap(line, 0, width, 2))
    .join('\n');
}

/** Words in lines of at most `width`; a longer word has a line of its own. */
function wrap(text: string, indent: number, width: number, hanging = indent): string[] {
  const lines: string[] = [];
  let line = ' '.repeat(indent);
  let empty = true;
  for (const word of text.split(/ (?! )/)) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line.trimEnd());
      line = ' '.repeat(hanging);
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return text === '' ? [] : [...lines, line];
}
