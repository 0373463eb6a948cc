/** Asks before a change. Without a terminal and without --yes a change is refused, never assumed. */
import type { Environment } from '../domain/environment.ts';
import { EXIT } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { sayRefused } from './session.ts';

export type Consent = { readonly given: true } | { readonly given: false; readonly exit: number };

/** `type`: the word is to be typed; with `anyCase` in capitals or not. */
export type Question =
  | { readonly kind: 'type'; readonly word: string; readonly anyCase?: boolean }
  | { readonly kind: 'yes-no' };

/** As the environment wants it. `what` completes "About to ...". */
export function askConsent(invocation: Invocation, environment: Environment, what: string): Promise<Consent> {
  const question: Question =
    environment.confirm === 'type-name' ? { kind: 'type', word: environment.name } : { kind: 'yes-no' };
  return consentTo(invocation, question, what);
}

/** `what` completes "About to ...". A no ends with 1, since what was asked for is not done; Ctrl-C with 130. */
export async function consentTo(invocation: Invocation, question: Question, what: string): Promise<Consent> {
  if (invocation.yes) return { given: true };
  const { output } = invocation;
  if (!output.inIsTerminal || !output.errIsTerminal || invocation.json) {
    const why = invocation.json ? '--json asks no questions' : 'there is no terminal to ask on';
    const exit = sayRefused(invocation, [
      {
        exit: 'usage',
        code: 'not-confirmed',
        message: `about to ${what}, and ${why}`,
        details: [],
        next: 'the same command with --yes',
      },
    ]);
    return { given: false, exit };
  }
  const answer = await ask(invocation, question, what);
  if (answer === 'yes') return { given: true };
  output.err(
    answer === 'other-word' && question.kind === 'type'
      ? `that is not ${question.word}: nothing was changed`
      : 'not confirmed: nothing was changed',
  );
  return { given: false, exit: answer === 'interrupted' ? EXIT.interrupted : EXIT.failed };
}

async function ask(
  { output, signal }: Invocation,
  question: Question,
  what: string,
): Promise<'yes' | 'no' | 'other-word' | 'interrupted'> {
  const { default: inquirer } = await import('inquirer');
  const prompt = inquirer.createPromptModule({ output: output.promptStream, signal });
  output.live('');
  try {
    if (question.kind === 'type') {
      const { word } = await prompt<{ word: string }>([
        { type: 'input', name: 'word', message: `About to ${what}. Type ${question.word} to go on:` },
      ]);
      return isTyped(word.trim(), question) ? 'yes' : 'other-word';
    }
    const { go } = await prompt<{ go: boolean }>([
      { type: 'confirm', name: 'go', message: `About to ${what}. Go on?`, default: false },
    ]);
    return go ? 'yes' : 'no';
  } catch (error) {
    if (error instanceof Error && ENDED.has(error.name)) return 'interrupted';
    throw error;
  }
}

function isTyped(typed: string, { word, anyCase = false }: Extract<Question, { kind: 'type' }>): boolean {
  return typed === word || (anyCase && typed.toLowerCase() === word.toLowerCase());
}

/** What the library throws at Ctrl-C, at the end of the input, and when the signal is raised. */
const ENDED: ReadonlySet<string> = new Set(['ExitPromptError', 'AbortPromptError', 'CancelPromptError']);
