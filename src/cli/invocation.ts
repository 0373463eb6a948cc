/** One call of a command: what was typed, where output goes, and when to stop. The only door to the process. */

export interface Output {
  /** Results: one or more whole lines. */
  out(text: string): void;
  /** Progress and complaints. */
  err(text: string): void;
  /** One line below everything else while something is under way; the next one takes its place, '' ends it. */
  live(text: string): void;
  /** Redraws the whole terminal in place; null gives it back as it was. Nothing where stdout is no terminal. */
  screen(lines: readonly string[] | null): void;
  /** Where questions are asked: not stdout, which may be a file. */
  readonly promptStream: NodeJS.WritableStream;
  readonly outIsTerminal: boolean;
  readonly errIsTerminal: boolean;
  /** Somebody can be asked. */
  readonly inIsTerminal: boolean;
  readonly color: boolean;
  /** Columns of the terminal; 100 where there is none. */
  readonly width: number;
  /** Columns to fold text at; Infinity where it is no terminal. */
  readonly foldAt: number;
}

export interface Invocation {
  /** Which of the two programs was typed: `rollout` or `osqueryd`. */
  readonly program: string;
  /** The words as typed behind the program's name, for the journal. */
  readonly commandLine: string;
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly hostname: string;
  readonly user: string;
  readonly pid: number;
  readonly output: Output;
  /** NDJSON on stdout instead of words. */
  readonly json: boolean;
  readonly yes: boolean;
  readonly reason: string;
  /** Ctrl-C and SIGTERM: begin nothing new; so do a closed terminal and a reader that goes away, until `holdFast`. */
  readonly signal: AbortSignal;
  /** From now on Ctrl-C and SIGTERM alone call it off: for what was agreed to and does harm by ending half-way. */
  holdFast(): void;
}

export function textOption(invocation: Invocation, name: string): string | undefined {
  const value = invocation.options[name];
  return typeof value === 'string' ? value : undefined;
}

export function flag(invocation: Invocation, name: string): boolean {
  return invocation.options[name] === true;
}

/** An option that may be given several times. */
export function listOption(invocation: Invocation, name: string): readonly string[] {
  const value = invocation.options[name];
  if (Array.isArray(value)) return value.filter((item) => typeof item === 'string');
  return typeof value === 'string' ? [value] : [];
}
