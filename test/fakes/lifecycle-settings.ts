/** Lifecycle settings for tests: nothing waits long. */
import type { LifecycleSettings } from '../../src/domain/lifecycle.ts';

export const SOME_LIFECYCLE: LifecycleSettings = {
  holdForMs: 72 * 3_600_000,
  brake: 'mask',
  settleMs: 1_000,
  deadlineMs: 60_000,
  concurrency: 64,
  proveMs: 250,
  purgePaths: ['/etc/osquery', '/var/osquery', '/var/log/osquery'],
  controllers: [],
};
