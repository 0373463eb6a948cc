/** A mistake in a configuration file: where it is, what stands there, what may stand there. Collected, never thrown. */

export interface Problem {
  /** Absolute. */
  readonly file: string;
  /** 1-based; 0 when the file as a whole is meant, such as when it is not there. */
  readonly line: number;
  readonly column: number;
  /** Key inside the file, such as `waves.then[2]`; empty when the file as a whole is meant. */
  readonly path: string;
  readonly message: string;
  /** What stands there. Left out where it could be a secret. */
  readonly found?: string;
  /** What may stand there. */
  readonly allowed?: readonly string[];
  /** The nearest right word, ready to be typed. */
  readonly suggestion?: string;
}

/** What is wrong, before it is known where in the file that is. */
export interface Fault {
  readonly path: readonly (string | number)[];
  /** `key`: the key itself is wrong. */
  readonly part: 'key' | 'value';
  readonly message: string;
  readonly found?: string;
  readonly allowed?: readonly string[];
  readonly suggestion?: string;
  /** Characters into the value's own text. */
  readonly offset?: number;
}

export type FaultDetail = Partial<Pick<Fault, 'found' | 'allowed' | 'suggestion' | 'offset'>>;

export function fault(
  path: Fault['path'],
  message: string,
  detail: FaultDetail & { readonly part?: 'key' } = {},
): Fault {
  return { part: 'value', ...detail, path, message };
}

/** `a.b[2]["odd key"]`, as one would write it. */
export function pathText(path: readonly (string | number)[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(step)) text += `[${JSON.stringify(step)}]`;
    else text += text === '' ? step : `.${step}`;
  }
  return text;
}

/** By file and place, as one reads. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  return [...problems].sort(
    (a, b) =>
      compareText(a.file, b.file) || a.line - b.line || a.column - b.column || compareText(a.path, b.path),
  );
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

const MOST_ALLOWED = 12;

/** Plain text for a person; a blank line between problems. A file cannot send control characters to the terminal. */
export function renderProblems(problems: readonly Problem[]): string {
  return sortProblems(problems).map(renderProblem).join('\n\n');
}

function harmless(text: string): string {
  return text.replace(/\p{Cc}/gu, (sign) =>
    JSON.stringify(sign)
      .slice(1, -1)
      .replace(/^\p{Cc}$/u, '?'),
  );
}

function renderProblem(problem: Problem): string {
  const place = problem.line > 0 ? `${problem.file}:${problem.line}:${problem.column}` : problem.file;
  const lines = [`${place}: ${problem.path === '' ? '' : `${problem.path}: `}${problem.message}`];
  if (problem.found !== undefined) lines.push(`  found:        ${problem.found}`);
  if (problem.allowed !== undefined && problem.allowed.length > 0) {
    const more = problem.allowed.length - MOST_ALLOWED;
    const shown = problem.allowed.slice(0, MOST_ALLOWED).join(', ');
    lines.push(`  allowed:      ${shown}${more > 0 ? ` and ${more} more` : ''}`);
  }
  if (problem.suggestion !== undefined) lines.push(`  did you mean: ${problem.suggestion}`);
  return lines.map(harmless).join('\n');
}
