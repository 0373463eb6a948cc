/** What `doctor` asks of each outside system: is what will be needed there, and if not, what mends it. */

export interface CheckResult {
  /** `warning`: it works, but a careful engineer would change it. `skipped`: it could not be asked, `found` says why. */
  readonly kind: 'ok' | 'warning' | 'failed' | 'skipped';
  /** Area, such as `credentials`, `bucket`, `inventory`, `ssh`, `prometheus`. */
  readonly area: string;
  /** What was asked, in a few words, such as `compute.instances.list in gitlab-production`. */
  readonly what: string;
  /** What was found, one sentence. */
  readonly found: string;
  /** The command or the edit that mends it; never empty for `failed` and `warning`. */
  readonly mend?: string;
}

/** One question or several that belong together. Changes nothing that stays. Never rejects. */
export interface SelfCheck {
  readonly area: string;
  run(signal: AbortSignal): Promise<readonly CheckResult[]>;
}
