// Puts back into package-lock.json the packages of other platforms (optional dependencies such as @biomejs/cli-darwin-arm64)
// that npm leaves out when the registry it wrote the lock from does not serve them. Without them `npm ci` refuses the lock
// on every machine. Run after any `npm install`; changes nothing when nothing is missing.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const file = join(dirname(fileURLToPath(import.meta.url)), '..', 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));

const SYSTEMS = [
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
];
const CPUS = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64'];

/** What a platform package says of itself, read off its name: npm skips it elsewhere without asking the registry. */
function platform(name) {
  const words = name.split(/[-/]/);
  const os = SYSTEMS.filter((system) => words.includes(system));
  const cpu = CPUS.filter((one) => words.includes(one));
  if (os.length !== 1 || cpu.length > 1) return undefined;
  const musl = words.some((word) => word.startsWith('musl'));
  const gnu = words.some((word) => word.startsWith('gnu'));
  const libc = os[0] === 'linux' && musl !== gnu ? { libc: [musl ? 'musl' : 'glibc'] } : {};
  return { os, ...(cpu.length === 1 ? { cpu } : {}), ...libc };
}

const added = [];
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${path}/node_modules/${name}`;
    const top = `node_modules/${name}`;
    if (lock.packages[nested] !== undefined || lock.packages[top] !== undefined) continue;
    const where = platform(name);
    if (where === undefined || !/^\d+\.\d+\.\d+/.test(range)) {
      console.error(
        `complete-lock: ${name}@${range} of ${path} is missing, and its platform cannot be told from its name`,
      );
      process.exitCode = 1;
      continue;
    }
    lock.packages[top] = { version: range, ...(entry.dev ? { dev: true } : {}), optional: true, ...where };
    added.push(name);
  }
}
if (added.length > 0) {
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
  lock.packages = Object.fromEntries(sorted);
  writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
}
console.error(`complete-lock: ${added.length === 0 ? 'nothing was missing' : `added ${added.join(', ')}`}`);
