/**
 * What a line is never broken within: a command that is there to be typed or copied stays whole, however narrow the terminal. Found by
 * its words, since sentences name commands in their middle: `rollout resume gprd goes on, rollout rollback gprd takes it back`.
 */

const LIFECYCLE = 'status stop start restart enable disable install remove purge holds';

/** Words that follow the program's name in a command; behind any other, `rollout` is the noun. Held against the commands by a test. */
export const VERBS: Readonly<Record<'rollout' | 'osqueryd', ReadonlySet<string>>> = {
  rollout: new Set(
    'stage releases plan gates deploy promote canary status watch advance pause resume approve abort rollback fleet coverage whois osqueryd holds history report quarantine init doctor config demo sandbox'.split(
      ' ',
    ),
  ),
  osqueryd: new Set(LIFECYCLE.split(' ')),
};

/** Where the command ends and the sentence goes on: `... does`, `... then`. */
const PROSE =
  /^(?:[a-z]+s|again|and|as|before|by|for|from|goes|in|instead|is|it|of|on|once|or|so|that|then|to|until|where|which|who|with)[,;:.)]*$/u;

/** The text's words, each command being one; joined by spaces they are the text again. */
export function unbreakables(text: string): string[] {
  const tokens = text.split(' ');
  const units: string[] = [];
  for (let at = 0; at < tokens.length; ) {
    const end = endOf(tokens, at);
    units.push(tokens.slice(at, end).join(' '));
    at = end;
  }
  return units;
}

/** Index behind the unit that begins at `at`. */
function endOf(tokens: readonly string[], at: number): number {
  const first = bare(tokens[at]);
  if (first.startsWith('`')) {
    const closing = tokens.findIndex((token, index) => index >= at && isClosed(token, index === at));
    return closing === -1 ? at + 1 : closing + 1;
  }
  let end = first === 'npx' ? at + 1 : at;
  const program = bare(tokens[end]);
  if (program !== 'rollout' && program !== 'osqueryd') return at + 1;
  if (!VERBS[program].has(withoutEnd(bare(tokens[end + 1])))) return at + 1;
  let quote = '';
  for (end += 1; end < tokens.length; end += 1) {
    const token = bare(tokens[end]);
    if (quote === '' && PROSE.test(token) && !isVerb(tokens, end)) return end;
    quote = quoteAfter(token, quote);
    if (quote === '' && token !== withoutEnd(token)) return end + 1;
  }
  return end;
}

/** `status`, `releases` and the like end as prose does. */
function isVerb(tokens: readonly string[], at: number): boolean {
  const before = bare(tokens[at - 1]);
  const token = withoutEnd(bare(tokens[at]));
  if (before === 'rollout' || before === 'osqueryd') return VERBS[before].has(token);
  return before === 'sandbox' && token === 'status';
}

/** The quotation mark that is open behind `token`; empty: none. */
function quoteAfter(token: string, open: string): string {
  let quote = open;
  for (const char of token)
    if (quote === '' ? char === "'" || char === '"' : char === quote) quote = quote === '' ? char : '';
  return quote;
}

function isClosed(token: string, isFirst: boolean): boolean {
  return bare(token).includes('`', isFirst ? 1 : 0);
}

/** Without colours and what stands before a command. */
function bare(token = ''): string {
  return token.replace(/\u001b\[\d+m/gu, '').replace(/^\(+/u, '');
}

function withoutEnd(token: string): string {
  return token.replace(/[,;:.)]+$/u, '');
}
