/** Uses of what only one layer may touch: time and chance (the clock's adapter), and the process (the CLI). */
import type { Token } from './tokens.ts';

export interface Use {
  readonly what: string;
  readonly line: number;
}

/** Modules that give what the globals give. */
const TIME_MODULES = new Set(['timers', 'timers/promises', 'perf_hooks']);
const TIMERS = new Set(['setTimeout', 'setInterval']);
const OF_PROCESS = new Set([
  'env',
  'argv',
  'exit',
  'exitCode',
  'stdout',
  'stderr',
  'stdin',
  'on',
  'once',
  'chdir',
]);

export function timeUses(
  tokens: readonly Token[],
  specifiers: readonly { specifier: string | null; line: number }[],
): Use[] {
  const uses: Use[] = [];
  for (const { specifier, line } of specifiers) {
    if (specifier !== null && TIME_MODULES.has(specifier.replace(/^node:/, '')))
      uses.push({ what: `import of ${specifier}`, line });
  }
  for (const [index, token] of tokens.entries()) {
    if (!isGlobal(tokens, index)) continue;
    const member = memberOf(tokens, index);
    const name = `${token.text}.${member}`;
    if (['Date.now', 'Math.random', 'performance.now', 'process.hrtime'].includes(name))
      uses.push({ what: name, line: token.line });
    else if (TIMERS.has(token.text)) uses.push({ what: token.text, line: token.line });
    else if (token.text === 'Date' && readsNow(tokens, index))
      uses.push({ what: 'the present Date', line: token.line });
  }
  return uses;
}

export function processUses(
  tokens: readonly Token[],
  specifiers: readonly { specifier: string | null; line: number }[],
): Use[] {
  const uses: Use[] = [];
  for (const { specifier, line } of specifiers) {
    if (specifier === 'process' || specifier === 'node:process')
      uses.push({ what: `import of ${specifier}`, line });
  }
  for (const [index, token] of tokens.entries()) {
    if (!isGlobal(tokens, index)) continue;
    const member = memberOf(tokens, index);
    if (token.text === 'console' && member !== null)
      uses.push({ what: `console.${member}`, line: token.line });
    if (token.text !== 'process') continue;
    const computed = tokens[index + 1]?.text === '[';
    const takenApart = tokens[index - 1]?.text === '=' && tokens[index - 2]?.text === '}';
    if (member !== null && OF_PROCESS.has(member)) uses.push({ what: `process.${member}`, line: token.line });
    else if (computed || takenApart) uses.push({ what: 'process, taken apart', line: token.line });
  }
  return uses;
}

/** A bare name, or one of globalThis; not another thing's field, and not a key. */
function isGlobal(tokens: readonly Token[], index: number): boolean {
  const token = tokens[index];
  if (token?.kind !== 'word') return false;
  const before = tokens[index - 1]?.text;
  if (before === '.' || before === '?.') return tokens[index - 2]?.text === 'globalThis';
  const afterKey = tokens[index + 1]?.text === ':' && (before === '{' || before === ',');
  return !afterKey;
}

function memberOf(tokens: readonly Token[], index: number): string | null {
  const dot = tokens[index + 1]?.text;
  const member = tokens[index + 2];
  return (dot === '.' || dot === '?.') && member?.kind === 'word' ? member.text : null;
}

/** `new Date()`, `new Date` and `Date()` read the clock; `new Date(x)` and the type do not. */
function readsNow(tokens: readonly Token[], index: number): boolean {
  const made = tokens[index - 1]?.text === 'new' || tokens[index - 3]?.text === 'new';
  const [open, close] = [tokens[index + 1]?.text, tokens[index + 2]?.text];
  if (open !== '(') return made;
  return !made || close === ')';
}
