import { defineConfig } from 'vitest/config';

/** Tests on real hosts: one file and one test at a time, since there is one rig and two cores. */
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    fileParallelism: false,
    maxWorkers: 1,
    // Scenarios of one file that say `concurrent`, each with hosts of its own (test/e2e/scenarios/scenario.ts).
    maxConcurrency: 4,
    testTimeout: 300_000,
    // The first boot on a machine builds the base file system.
    hookTimeout: 600_000,
    teardownTimeout: 60_000,
    passWithNoTests: false,
  },
});
