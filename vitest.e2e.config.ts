import { statSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Scenarios in a row, or twenty hosts: what takes longest is begun first, so that nothing is left over for one worker alone. */
const LONGEST = ['google-cloud', 'lifecycle-many', 'rig.test', 'emergency', 'hosts-in-trouble'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.includes(name));
      return at < 0 ? LONGEST.length : at;
    };
    const size = ({ moduleId }: TestSpecification): number => statSync(moduleId).size;
    return [...files].sort((a, b) => rank(a) - rank(b) || size(b) - size(a));
  }
}

/** Tests on real hosts. Most of their time is waiting, so two files run at a time, each on a rig of its own (rig/settings.ts). */
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // Scenarios of one file that say `concurrent`, each with hosts of its own (test/e2e/scenarios/scenario.ts).
    maxConcurrency: 3,
    testTimeout: 300_000,
    // The first boot on a machine builds the base file system.
    hookTimeout: 600_000,
    teardownTimeout: 60_000,
    passWithNoTests: false,
  },
});
