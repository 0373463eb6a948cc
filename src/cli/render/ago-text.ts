/** How long, for a narrow column. */
import { formatDuration } from '../../domain/duration.ts';

/** The two largest units are enough: `3d4h`, `2m10s`. */
export function agoText(ms: number): string {
  const whole = formatDuration(Math.max(0, Math.floor(ms / 1_000) * 1_000));
  const [text = whole] = /^(?:\d+[a-z]+){1,2}/.exec(whole) ?? [];
  return text;
}
