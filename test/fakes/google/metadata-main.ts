/**
 * The metadata server as a process of its own, for a fleet of real hosts: `node metadata-main.ts LISTEN PORT FILE`.
 *
 * FILE is JSON, `{"10.0.0.11": {"id": "1", "email": "vm@p.iam.gserviceaccount.com"}}`, and is read again at SIGHUP. Prints
 * `{"host": ...}` when it listens. Ends when its stdin is closed, or by SIGTERM.
 */
import { readFileSync } from 'node:fs';
import { type FakeInstance, startFakeMetadataServer } from './metadata-server.ts';

const [listen, port, file] = process.argv.slice(2);
if (listen === undefined || port === undefined || file === undefined)
  throw new Error('usage: metadata-main LISTEN PORT FILE');

const read = (): Record<string, FakeInstance> =>
  JSON.parse(readFileSync(file, 'utf8')) as Record<string, FakeInstance>;
const server = await startFakeMetadataServer({ listen, port: Number(port), instances: read() });
process.on('SIGHUP', () => {
  server.instances.clear();
  for (const [address, instance] of Object.entries(read())) server.instances.set(address, instance);
});
const end = (): void => void server.close().then(() => process.exit(0));
process.on('SIGTERM', end);
process.stdin.on('end', end).resume();
process.stdout.write(`${JSON.stringify({ host: server.host })}\n`);
