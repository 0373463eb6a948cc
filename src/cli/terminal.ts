/**
 * What goes to stdout and stderr, and how a terminal is kept tidy: a live line under everything that is printed, and a
 * screen that is redrawn in place. Nothing here writes control sequences where there is no terminal.
 */
import type { Output } from './invocation.ts';

/** What is needed of `process.stdout` and `process.stderr`. */
export type Stream = NodeJS.WritableStream & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

export interface OutputOptions {
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly inIsTerminal: boolean;
  readonly noColor: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const CLEAR_LINE = '\r\u001b[K';
/** Second screen, no cursor, long lines cut off at the edge. */
const SCREEN_ON = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const SCREEN_OFF = '\u001b[?7h\u001b[?25h\u001b[?1049l';

export function createOutput({ stdout, stderr, inIsTerminal, noColor, env }: OutputOptions): Output {
  const outIsTerminal = stdout.isTTY === true;
  const errIsTerminal = stderr.isTTY === true;
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0';
  const refused = noColor || (env.NO_COLOR !== undefined && env.NO_COLOR !== '') || env.TERM === 'dumb';
  let liveText = '';
  let screenIsOn = false;
  // Some terminals say that they have 0 columns.
  const columns = (): number => stdout.columns || stderr.columns || 100;
  const drawLive = (): void => {
    if (liveText !== '') stderr.write(`${CLEAR_LINE}${cut(liveText, columns() - 1)}`);
  };
  /** Both streams end on one screen: whatever is printed goes above the live line. */
  const above = (print: () => void): void => {
    if (liveText !== '') stderr.write(CLEAR_LINE);
    print();
    drawLive();
  };
  return {
    out: (text) => above(() => stdout.write(`${text}\n`)),
    err: (text) => above(() => stderr.write(`${text}\n`)),
    live: (text) => {
      if (!errIsTerminal || text === liveText) return;
      if (text === '') stderr.write(CLEAR_LINE);
      liveText = text;
      drawLive();
    },
    screen: (lines) => {
      if (!outIsTerminal || (lines === null && !screenIsOn)) return;
      if (lines === null) stdout.write(SCREEN_OFF);
      else {
        const shown = lines.slice(0, (stdout.rows || 24) - 1);
        const more = lines.length - shown.length;
        if (more > 0) shown.splice(-1, 1, `... and ${more + 1} more lines`);
        const text = shown.map((line) => `${line}\u001b[K\n`).join('');
        // Drawn over what is there and never cleared first: no flicker.
        stdout.write(`${screenIsOn ? '' : SCREEN_ON}\u001b[H${text}\u001b[J`);
      }
      screenIsOn = lines !== null;
    },
    promptStream: stderr,
    outIsTerminal,
    errIsTerminal,
    inIsTerminal,
    color: !refused && (forced || (outIsTerminal && errIsTerminal)),
    get width() {
      return columns();
    },
    get foldAt() {
      return outIsTerminal && errIsTerminal ? columns() : Number.POSITIVE_INFINITY;
    },
  };
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
