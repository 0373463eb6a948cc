/**
 * What of an instance's metadata is kept. Metadata is where people put start-up scripts, keys and passwords, and what is kept may be
 * shown, matched and journaled.
 *
 * M1  Every key is kept: that it is there is evidence. A value that may be a secret, or a program, is kept as empty.
 */

/** Longer values are programs and configuration. */
const LONGEST_VALUE = 256;

const TELLING_KEY =
  /(^|[-_])env($|[-_])|script|key|user-data|secret|pass|pwd|token|credential|cert|private|config|auth|dsn|connection|salt|signature|kube-labels/i;

/** Switches, such as `enable-oslogin`, whatever they are called. */
const SWITCH = /^(true|false|y|n|yes|no|0|1)$/i;

/** An address with a password in it, a connection string, or the whole of a key. */
const TELLING_VALUE =
  /:\/\/[^/\s]*@|(pass\w*|pwd|secret|token|api_?key|signature)["']?\s*[=:]|BEGIN [A-Z ]*PRIVATE KEY/i;

export function keptMetadata(
  items: readonly { readonly key?: string | null; readonly value?: string | null }[],
): Record<string, string> {
  const kept: [string, string][] = [];
  for (const { key, value } of items)
    if (typeof key === 'string' && key !== '')
      kept.push([key, isHarmless(key, value ?? '') ? (value ?? '') : '']);
  return Object.fromEntries(kept);
}

function isHarmless(key: string, value: string): boolean {
  if (SWITCH.test(value)) return true;
  return (
    value.length <= LONGEST_VALUE &&
    !value.includes('\n') &&
    !TELLING_KEY.test(key) &&
    !TELLING_VALUE.test(value)
  );
}
