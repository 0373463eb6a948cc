/**
 * The fake of Compute Engine, and of Google's sign-in, as one process of its own:
 * `node compute-main.ts FLEET.json FOLDER` prints one line of JSON `{computeUrl, identityUrl, keyFile}` and runs until its stdin ends.
 * FLEET.json holds `{"fleet": {"count": 20}}` (see FleetDescription) or `{"vms": [...]}`, and may hold `unreachable`.
 */
import { readFileSync } from 'node:fs';
import { type FakeVm, type FleetDescription, fleetOf, instanceText } from './compute-fleet.ts';
import { startComputeServer } from './compute-server.ts';
import { startIdentity } from './identity.ts';

interface Written {
  readonly fleet?: FleetDescription;
  readonly vms?: readonly FakeVm[];
  readonly unreachable?: Readonly<Record<string, 'warning' | 'top-level-warning' | 'unreachables'>>;
}

const [file = '', folder = ''] = process.argv.slice(2);
const written = JSON.parse(readFileSync(file, 'utf8')) as Written;
const identity = await startIdentity({ folder });
const compute = await startComputeServer({
  vms: written.vms ?? (written.fleet === undefined ? [] : fleetOf(written.fleet)),
});
for (const [zone, how] of Object.entries(written.unreachable ?? {})) compute.unreachable.set(zone, how);
// Not on the time of whoever asks first.
for (const vm of compute.vms) instanceText(vm);
process.stdout.write(
  `${JSON.stringify({ computeUrl: compute.url, identityUrl: identity.url, keyFile: identity.keyFile })}\n`,
);
process.stdin.resume().on('end', () => process.exit(0));
