/**
 * The fake of Cloud Storage as a process of its own: `node storage-main.ts '{"buckets": [{"name": "b"}], "listen": "0.0.0.0"}'`
 * (StorageServerOptions without its clock) prints one line of JSON `{"url": ...}` and runs until its stdin ends. Its memory is all it has.
 */
import { type StorageServerOptions, startStorageServer } from './storage-server.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as Omit<StorageServerOptions, 'now'>;
const server = await startStorageServer(options);
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`);
process.stdin.resume().on('end', () => process.exit(0));
