/** Lists a fleet as one process would, and prints what that took: `node list-once.ts COMPUTE_URL KEY_FILE`. */
import { systemClock } from '../../../../src/adapters/clock/system-clock.ts';
import { gceInventory } from '../../../../src/adapters/google/compute/inventory.ts';

const [computeUrl = '', keyFile = ''] = process.argv.slice(2);
const credentials = { keyFile };
const began = performance.now();
const listed = await gceInventory({
  settings: {
    kind: 'gce',
    projects: ['sandbox'],
    roleLabel: 'type',
    address: '{internal}',
    publishedHostKeys: true,
    instanceCheck: true,
    credentials,
  },
  access: { credentials, endpoints: { compute: computeUrl } },
  clock: systemClock,
}).list();
const took = performance.now() - began;
if (!listed.ok) throw new Error(listed.error.message);
process.stdout.write(
  `${JSON.stringify({ hosts: listed.value.hosts.length, unknown: listed.value.unknownZones.length, ms: Math.round(took), peakMb: Math.round(process.resourceUsage().maxRSS / 1_024) })}\n`,
);
