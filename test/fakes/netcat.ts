/**
 * A program that joins its stdin and stdout to a TCP port, as `nc` does, run with node: `netcat.ts MOOD ADDRESS PORT [PIDFILE]`.
 * Its moods are what proxies do on a bad day.
 */
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';

const [mood = 'well', address = '', port = '', pidFile] = process.argv.slice(2);
if (pidFile !== undefined) writeFileSync(pidFile, String(process.pid));

function join(): void {
  const socket = connect(Number(port), address);
  socket.on('error', (error) => {
    process.stderr.write(`netcat: ${error.message}\n`);
    process.exit(1);
  });
  process.stdin.pipe(socket);
  socket.pipe(process.stdout);
  socket.on('close', () => process.exit(0));
}

switch (mood) {
  case 'well':
    join();
    break;
  case 'junk':
    // Lines before the version are allowed by RFC 4253; these bytes are none.
    process.stdout.write(Buffer.alloc(64 * 1024, 0xff));
    process.stdin.resume();
    break;
  case 'greets':
    process.stdout.write('Welcome to the tunnel\r\n', join);
    break;
  case 'fails':
    process.stderr.write('WARNING: \u001b[31mslow\u001b[0m\nERROR: 4003: failed to connect to backend\n');
    process.exit(3);
    break;
  case 'ends':
    process.exit(0);
    break;
  case 'silent':
    process.stderr.write('waiting for a browser to sign in\n');
    process.stdin.resume();
    break;
  case 'stubborn':
    process.on('SIGTERM', () => {});
    setInterval(() => {}, 1_000);
    join();
    break;
  default:
    process.stderr.write(`netcat: no such mood: ${mood}\n`);
    process.exit(2);
}
