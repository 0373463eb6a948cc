/** What holds the agent's CPU down: what systemd was told, and what the kernel does. Pure. */

export interface CgroupCap {
  /** Whether the kernel holds the unit's cgroup to a quota; unknown: it cannot be read. */
  readonly capped: 'yes' | 'no' | 'unknown';
  /** Of CPU time in each period, us. */
  readonly quotaUs: number | null;
  readonly periodUs: number | null;
  /** CPUQuotaPerSecUSec as systemd tells it now, such as `200ms` or `infinity`. */
  readonly asked: string;
}

/** For a person: `CPUQuota=20%`, or why nothing is held. */
export function quotaWords({ capped, quotaUs, periodUs, asked }: CgroupCap): string {
  const told = perSecond(asked);
  if (capped === 'yes' && quotaUs !== null && periodUs !== null)
    return `CPUQuota=${percent(quotaUs / periodUs)}`;
  if (told === null) return 'no CPUQuota';
  return capped === 'no'
    ? `CPUQuota=${percent(told)} is set and not enforced on this host`
    : `CPUQuota=${percent(told)}`;
}

const UNITS: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, min: 60 };

/** Cores; null: no quota. systemd writes `1s 500ms` for 150 %. */
function perSecond(text: string): number | null {
  const parts = text.split(' ').map((part) => /^(\d+(?:\.\d+)?)(us|ms|s|min)$/.exec(part));
  if (parts.length === 0 || parts.includes(null)) return null;
  return parts.reduce((sum, part) => sum + Number(part?.[1]) * (UNITS[part?.[2] ?? ''] ?? Number.NaN), 0);
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))}%`;
}
