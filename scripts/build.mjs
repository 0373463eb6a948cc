// Compiles src/ to dist/ and copies what is not TypeScript (host programs) beside it.
// Built aside and put in place at the end: a program that runs from dist/ meanwhile is not left with half of itself.
// --if-stale: does nothing when dist/ is newer than every source file.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const aside = join(root, 'dist.building');
const stamp = join(dist, '.built');

/** Newest modification time below a folder, in ms; a folder's own time counts, so that a deleted file is seen too. */
function newest(path) {
  const stat = statSync(path);
  let latest = stat.mtimeMs;
  if (stat.isDirectory())
    for (const name of readdirSync(path)) latest = Math.max(latest, newest(join(path, name)));
  return latest;
}

if (process.argv.includes('--if-stale') && existsSync(stamp)) {
  const sources = ['src', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];
  const built = statSync(stamp).mtimeMs;
  if (sources.every((source) => newest(join(root, source)) <= built)) process.exit(0);
}

const started = Date.now();
rmSync(aside, { recursive: true, force: true });
const tsc = spawnSync(
  join(root, 'node_modules', '.bin', 'tsc'),
  ['-p', 'tsconfig.build.json', '--outDir', aside],
  { cwd: root, stdio: 'inherit' },
);
if (tsc.status !== 0) process.exit(tsc.status ?? 1);
cpSync(join(root, 'src'), aside, {
  recursive: true,
  filter: (source) => statSync(source).isDirectory() || !source.endsWith('.ts'),
});
for (const entry of ['main.js', 'osqueryd.js']) {
  const file = join(aside, 'cli', entry);
  if (existsSync(file)) chmodSync(file, 0o755);
}
writeFileSync(join(aside, '.built'), new Date(started).toISOString());
rmSync(dist, { recursive: true, force: true });
renameSync(aside, dist);
