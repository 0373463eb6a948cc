/** What `doctor` asks of each outside system: is what will be needed there, and if not, what mends it. */

/** Parts of an environment, in the order in which they are needed. */
export const CHECK_AREAS = [
  'configuration',
  'credentials',
  'inventory',
  'hosts',
  'artifacts',
  'journal',
  'metrics',
] as const;

export type CheckArea = (typeof CHECK_AREAS)[number];

/** What one question came to. */
export type Finding = {
  /** What was asked, in a few words, such as `compute.instances.list in gitlab-production`. */
  readonly what: string;
  /** What was found, one sentence without its end mark. */
  readonly found: string;
} & (
  | {
      /** `skipped`: it could not be asked, `found` says why. */
      readonly kind: 'ok' | 'skipped';
    }
  | {
      /** `warning`: it works, but a careful engineer would change it. */
      readonly kind: 'warning' | 'failed';
      /** The command or the edit that mends it; never empty. */
      readonly mend: string;
    }
);

export type CheckResult = Finding & { readonly area: CheckArea };

/** One question or several that belong together. Changes nothing that stays. Never rejects. */
export interface SelfCheck {
  readonly area: CheckArea;
  /** What is asked, for when no answer comes. */
  readonly what: string;
  /** What to look at when no answer comes. */
  readonly whenSilent: string;
  /** Begins with what another check finds out, and so may take twice as long. */
  readonly waits?: boolean;
  run(signal: AbortSignal): Promise<readonly Finding[]>;
}

export function fine(what: string, found: string): Finding {
  return { kind: 'ok', what, found };
}

export function skipped(what: string, found: string): Finding {
  return { kind: 'skipped', what, found };
}

export function doubtful(what: string, found: string, mend: string): Finding {
  return { kind: 'warning', what, found, mend };
}

export function broken(what: string, found: string, mend: string): Finding {
  return { kind: 'failed', what, found, mend };
}

/**
 * For an error sentence of the house's form, `what is wrong; what mends it`: its two halves. `otherwise` mends what names no
 * mend itself.
 */
export function brokenAs(what: string, sentence: string, otherwise: string): Finding {
  const cut = sentence.indexOf('; ');
  return cut < 0
    ? broken(what, sentence, otherwise)
    : broken(what, sentence.slice(0, cut), sentence.slice(cut + 2));
}
