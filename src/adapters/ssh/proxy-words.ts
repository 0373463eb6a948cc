/**
 * The words of a proxy's command line for one host. No shell ever reads them.
 *
 * PW1  What an inventory says of a host cannot become an option: a word that begins with a dash was written so by a person.
 * PW2  Nothing is filled in by guess: what is not known for the host refuses the connection.
 */
import { err, ok, type Result } from '../../domain/result.ts';

/** By the names that stand between braces. */
export type ProxyValues = Readonly<Record<string, string | undefined>>;

/** The error is a part of a sentence that says which word cannot be used. */
export function proxyWords(
  template: readonly string[],
  values: ProxyValues,
): Result<readonly [string, ...string[]], string> {
  const words: string[] = [];
  for (const written of template) {
    const word = filled(written, values);
    if (!word.ok) return word;
    if (word.value.startsWith('-') && !written.startsWith('-'))
      return err(
        `\`${written}\` of ssh.proxyCommand would become \`${word.value}\`, which a program reads as an option`,
      );
    words.push(word.value);
  }
  const [program, ...rest] = words;
  return program === undefined ? err('ssh.proxyCommand is empty') : ok([program, ...rest]);
}

function filled(written: string, values: ProxyValues): Result<string, string> {
  let unknown: string | null = null;
  // One pass, so that braces in a value are not read again.
  const word = written.replaceAll(/\{([^{}]*)\}/g, (_whole, place: string) => {
    const value = Object.hasOwn(values, place) ? values[place] : undefined;
    if (value === undefined || value === '') unknown ??= place;
    return value ?? '';
  });
  if (unknown !== null) return err(`{${unknown as string}} of ssh.proxyCommand is not known for this host`);
  return /\p{Cc}/u.test(word)
    ? err(`\`${written}\` of ssh.proxyCommand would hold a control character`)
    : ok(word);
}
