/** What a version adds to what an agent uses. */
export interface SomeVersion {
  /** Cores more, from its start on or from `afterMinutes` on. */
  readonly cores: number;
  readonly afterMinutes?: number;
  /** Only on hosts of this role; absent: everywhere. */
  readonly role?: number;
  /** Bytes an hour more, from `afterMinutes` on. */
  readonly leakAnHour?: number;
  /** Cores more in the first minutes after each start. */
  readonly start: { readonly cores: number; readonly minutes: number };
}

/** Any start reads its tables and runs its schedule anew: as much as the watchdog lets it for a minute or two. */
export const USUAL_START = { cores: 0.08, minutes: 2 } as const;

export function coresMore(version: SomeVersion, role: number, sinceStart: number): number {
  if (sinceStart < 0) return 0;
  const starting = sinceStart < version.start.minutes ? version.start.cores : 0;
  const isWorse =
    sinceStart >= (version.afterMinutes ?? 0) && (version.role === undefined || version.role === role);
  return starting + (isWorse ? version.cores : 0);
}

export function bytesMore(version: SomeVersion, role: number, sinceStart: number): number {
  const { leakAnHour = 0, afterMinutes = 0 } = version;
  if (leakAnHour === 0 || sinceStart <= afterMinutes) return 0;
  if (version.role !== undefined && version.role !== role) return 0;
  return (leakAnHour * (sinceStart - afterMinutes)) / 60;
}
