/** The house's rules for `src`, as a pure check over files' texts. Names in messages are paths below the repository. */
import { dirname, join, normalize } from 'node:path/posix';
import { processUses, timeUses } from './globals.ts';
import { type Import, importsOf } from './imports.ts';
import { beginsWithComment, type Token, tokenize } from './tokens.ts';

export type Rule =
  | 'layer'
  | 'import'
  | 'time'
  | 'process'
  | 'cycle'
  | 'comment'
  | 'length'
  | 'name'
  | 'exception';

export interface Breach {
  readonly rule: Rule;
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

/** Exceptions, each with its reason. One that is no longer needed is itself a breach. */
export interface Exceptions {
  /** Files over 400 lines. */
  readonly long: Readonly<Record<string, string>>;
  /** Files outside `src/adapters/clock` that touch time or chance. */
  readonly time: Readonly<Record<string, string>>;
  /** Files outside `src/cli` that touch the process: programs of their own, run by another. */
  readonly process: Readonly<Record<string, string>>;
}

const NO_EXCEPTIONS: Exceptions = { long: {}, time: {}, process: {} };

const MOST_LINES = 400;
const CLOCK = 'src/adapters/clock/';
const CLI = 'src/cli/';
/** What adapters that speak HTTP share; it knows none of them. */
const SHARED = 'adapters/http';
const CONFIG_MODULES = new Set(['yaml', 'zod', 'node:fs', 'node:fs/promises', 'node:path']);
const WEAK_FILE = /(?:^|-)(?:utils?|helpers?|managers?|handlers?|data|infos?)$/;
const WEAK_TYPE = /(?:Utils?|Helpers?|Managers?|Handlers?|Data|Infos?)$/;
const KEBAB = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

interface Parsed {
  readonly file: string;
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly imports: readonly Import[];
}

/** `files`: path such as `src/domain/host.ts` to text; everything below `src` that is TypeScript. */
export function findBreaches(
  files: ReadonlyMap<string, string>,
  exceptions: Exceptions = NO_EXCEPTIONS,
): Breach[] {
  const parsed = [...files].map(([file, text]): Parsed => {
    const tokens = tokenize(text);
    return { file, text, tokens, imports: importsOf(tokens) };
  });
  return [
    ...parsed.flatMap((one) => [
      ...one.imports.flatMap((imported) => importBreach(one.file, imported, files)),
      ...timeBreaches(one, exceptions),
      ...processBreaches(one, exceptions),
      ...formBreaches(one, exceptions),
    ]),
    ...cycles(parsed),
    ...staleExceptions(parsed, exceptions),
  ];
}

/** The layer of a file: the folder below `src`; an adapter is its own. */
export function layerOf(file: string): string {
  const [, layer = '', adapter = ''] = file.split('/');
  return layer === 'adapters' ? `adapters/${adapter}` : layer;
}

function importBreach(file: string, imported: Import, files: ReadonlyMap<string, string>): Breach[] {
  const { specifier, line } = imported;
  const breach = (rule: Rule, message: string): Breach[] => [{ rule, file, line, message }];
  if (specifier === null) return breach('import', 'a computed import: nobody can tell which layer it is of');
  const from = layerOf(file);
  if (!specifier.startsWith('.')) {
    return mayImportModule(from, specifier) ? [] : breach('layer', `${from} may not import ${specifier}`);
  }
  const target = normalize(join(dirname(file), specifier));
  if (!files.has(target)) return breach('import', `${specifier} leads to ${target}, which is no source file`);
  const to = layerOf(target);
  return mayImportLayer(from, to) ? [] : breach('layer', `${from} may not import ${to} (${target})`);
}

function mayImportModule(from: string, module: string): boolean {
  if (from === 'config') return CONFIG_MODULES.has(module);
  return from === 'cli' || from.startsWith('adapters/');
}

function mayImportLayer(from: string, to: string): boolean {
  if (from === to) return true;
  switch (from) {
    case 'cli':
      return true;
    case 'ports':
    case 'config':
      return to === 'domain';
    case 'engine':
      return to === 'domain' || to === 'ports';
    default:
      return from.startsWith('adapters/') && (to === 'domain' || to === 'ports' || to === SHARED);
  }
}

function timeBreaches({ file, tokens, imports }: Parsed, exceptions: Exceptions): Breach[] {
  if (file.startsWith(CLOCK) || file in exceptions.time) return [];
  return timeUses(tokens, imports).map(({ what, line }) => ({
    rule: 'time',
    file,
    line,
    message: `${what} outside ${CLOCK}: take a Clock`,
  }));
}

function processBreaches({ file, tokens, imports }: Parsed, exceptions: Exceptions): Breach[] {
  if (file.startsWith(CLI) || file in exceptions.process) return [];
  return processUses(tokens, imports).map(({ what, line }) => ({
    rule: 'process',
    file,
    line,
    message: `${what} outside ${CLI}: have it passed in`,
  }));
}

function formBreaches({ file, text, tokens }: Parsed, exceptions: Exceptions): Breach[] {
  const found: Breach[] = [];
  const add = (rule: Rule, line: number, message: string): void =>
    void found.push({ rule, file, line, message });
  const layers = ['domain', 'ports', 'engine', 'config', 'cli', 'adapters'];
  if (!layers.includes(file.split('/')[1] ?? ''))
    add('layer', 1, `not in a layer; there are: ${layers.join(', ')}`);
  if (!beginsWithComment(text)) add('comment', 1, 'does not begin by saying what it owns');
  const lines = lineCount(text);
  if (lines > MOST_LINES && !(file in exceptions.long))
    add('length', lines, `${lines} lines: over ${MOST_LINES} it needs a reason`);
  const stem = file.split('/').at(-1)?.replace(/\.ts$/, '') ?? '';
  if (!KEBAB.test(stem)) add('name', 1, `${stem} is not kebab-case`);
  if (WEAK_FILE.test(stem)) add('name', 1, `${stem} does not say what is in it`);
  for (const [index, token] of tokens.entries()) {
    const declared = tokens[index + 1];
    const declares =
      token.kind === 'word' &&
      ['interface', 'type', 'class'].includes(token.text) &&
      declared?.kind === 'word';
    const exported = tokens[index - 1]?.text === 'export' || tokens[index - 2]?.text === 'export';
    if (declares && exported && WEAK_TYPE.test(declared.text))
      add('name', declared.line, `${declared.text} does not say what it is`);
  }
  return found;
}

function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}

/** One breach for every import that closes a circle, types included: such files cannot be understood one by one. */
function cycles(parsed: readonly Parsed[]): Breach[] {
  const edges = new Map(
    parsed.map(({ file, imports }) => [
      file,
      imports.flatMap((i) =>
        i.specifier?.startsWith('.')
          ? [{ to: normalize(join(dirname(file), i.specifier)), line: i.line }]
          : [],
      ),
    ]),
  );
  const found: Breach[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    for (const { to, line } of edges.get(file) ?? []) {
      const start = path.indexOf(to);
      if (start >= 0) {
        found.push({ rule: 'cycle', file, line, message: [...path.slice(start), to].join(' -> ') });
      } else if (!done.has(to)) {
        visit(to, [...path, to]);
      }
    }
    done.add(file);
  };
  for (const { file } of parsed) if (!done.has(file)) visit(file, [file]);
  return found;
}

function staleExceptions(parsed: readonly Parsed[], exceptions: Exceptions): Breach[] {
  const stale = (kind: string, file: string): Breach => ({
    rule: 'exception',
    file,
    line: 1,
    message: `needs no exception for ${kind}`,
  });
  const byFile = new Map(parsed.map((one) => [one.file, one]));
  const needless = (list: Readonly<Record<string, string>>, isNeeded: (one: Parsed) => boolean): string[] =>
    Object.keys(list).filter((file) => {
      const one = byFile.get(file);
      return one === undefined || !isNeeded(one);
    });
  const long = needless(exceptions.long, (one) => lineCount(one.text) > MOST_LINES);
  const time = needless(exceptions.time, (one) => timeUses(one.tokens, one.imports).length > 0);
  const process = needless(exceptions.process, (one) => processUses(one.tokens, one.imports).length > 0);
  return [
    ...long.map((file) => stale('its length', file)),
    ...time.map((file) => stale('time', file)),
    ...process.map((file) => stale('process', file)),
  ];
}
