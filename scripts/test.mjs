// Runs every check of the project, all of them whatever fails, and says at the end what passed. Stages that only read the
// sources run beside each other, those that run tests one after the other.
//   node scripts/test.mjs [--only STAGE,STAGE]      stages: types, lint, shellcheck, unit, e2e
// A stage that cannot run here is listed with its reason; under CI=true that is a failure. The exit status is 1 on any
// failure. The last line is `N passed, N failed`: tests where vitest counts them, else one a stage.
// Runs on Node 20 as well: what it starts finds node_modules' own Node 24 first on its PATH.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = join(root, 'node_modules', '.bin');
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH ?? ''}`, NO_COLOR: '1' };
delete env.FORCE_COLOR;
const isCi = env.CI === 'true';
let interrupted = false;
const reports = mkdtempSync(join(tmpdir(), 'rollout-test-'));

/** Shell files below a folder, relative to the project. */
function shellFiles(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.sh'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length + 1))
    .sort();
}

/** @typedef {{code: number | null, output: string}} Ran */

/**
 * Runs a command in the project's folder. `show` picks lines to print at once, for stages that take long.
 * @returns {Promise<Ran>}
 */
function run(command, args, { timeoutMs = 600_000, show } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let output = '';
    let line = '';
    const take = (text) => {
      output += text;
      if (show === undefined) return;
      const lines = (line + text).split('\n');
      line = lines.pop() ?? '';
      for (const whole of lines) if (show(whole)) console.log(whole);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    const stop = (signal) => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // Ended by itself meanwhile.
      }
    };
    const interrupt = () => {
      interrupted = true;
      stop('SIGINT');
    };
    process.on('SIGINT', interrupt);
    const timer = setTimeout(() => {
      output += `\n${command}: no end after ${timeoutMs / 1000} s, killed\n`;
      stop('SIGKILL');
    }, timeoutMs);
    const end = (code) => {
      clearTimeout(timer);
      process.off('SIGINT', interrupt);
      resolve({ code, output });
    };
    child.on('error', (error) => {
      output += `${command}: ${error.message}\n`;
      end(null);
    });
    child.on('close', end);
  });
}

/** One outcome of a stage that has no tests to count: all its commands end with 0. */
async function commands(...list) {
  let output = '';
  let failed = 0;
  for (const [command, ...args] of list) {
    const ran = await run(command, args);
    if (ran.code === 0) continue;
    failed = 1;
    output += `$ ${command} ${args.join(' ')}\n${ran.output}\n`;
  }
  return { passed: 1 - failed, failed, skipped: 0, output };
}

/** The hosts' file system takes a minute the first time on a machine: begun at once, and waited for before hosts are booted. */
let prepared;

function prepareHosts() {
  prepared ??= run('nice', [join(bin, 'node'), 'test/e2e/rig/prepare.ts']);
}

async function vitest(name, config, options) {
  const report = join(reports, `${name}.json`);
  const args = [
    'run',
    '--config',
    config,
    '--reporter=verbose',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  const ran = await run('vitest', args, options);
  let counted = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
  try {
    counted = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    // No report: vitest itself failed, and its output says how.
  }
  let failed = counted.numFailedTests;
  // A file that cannot be loaded, or an error outside any test, fails the run without failing a test.
  if (ran.code !== 0 && failed === 0) failed = 1;
  const skipped = counted.numPendingTests + counted.numTodoTests;
  return { passed: counted.numPassedTests, failed, skipped, output: ran.output };
}

/** A host program is only whole behind its libraries, as it is sent: each is checked so, as one text. */
async function shellcheck() {
  const { HOST_PROGRAM_FILES } = await import('../src/domain/host-programs.ts');
  const texts = [...Object.values(HOST_PROGRAM_FILES), ['fetch.sh']];
  const whole = texts.map((files) => [
    'sh',
    '-c',
    'cat "$@" | shellcheck -s sh -',
    'sh',
    ...files.map((file) => `src/host/${file}`),
  ]);
  const bash = [...shellFiles('test/e2e/rig'), ...shellFiles('scripts'), '.ci/run'];
  return commands(...whole, ['shellcheck', '-x', '-P', 'SCRIPTDIR', '-s', 'bash', ...bash]);
}

/** In the order they run. `why`: the reason it cannot run on this machine; empty when it can. `reads`: runs beside the next. */
const stages = [
  {
    name: 'types',
    reads: true,
    why: () => '',
    run: () => commands(['tsc', '--noEmit', '-p', 'tsconfig.json']),
  },
  {
    name: 'lint',
    reads: true,
    why: () => '',
    run: () => commands(['oxlint', '--type-aware', '--deny-warnings'], ['biome', 'check'], ['knip']),
  },
  {
    name: 'shellcheck',
    reads: true,
    why: () =>
      spawnSync('shellcheck', ['--version'], { env }).status === 0
        ? ''
        : 'shellcheck is not installed; scripts/debian-packages.sh installs it',
    run: shellcheck,
  },
  { name: 'unit', why: () => '', run: () => vitest('unit', 'vitest.config.ts', {}) },
  {
    name: 'e2e',
    why: () => {
      const asked = spawnSync(join(bin, 'node'), ['test/e2e/rig/possible.ts'], {
        cwd: root,
        env,
        encoding: 'utf8',
      });
      if (asked.status === 0) return '';
      const said =
        asked.stdout?.trim() || asked.stderr?.trim() || String(asked.error ?? 'no reason was given');
      return said.split('\n').join('; ');
    },
    run: async () => {
      prepareHosts();
      // What went wrong with it, the first boot says.
      await prepared;
      return await vitest('e2e', 'vitest.e2e.config.ts', {
        timeoutMs: 3_600_000,
        show: (line) => /^\s*[✓×]/u.test(line),
      });
    },
  },
];

function selected(argv) {
  if (argv.length === 0) return stages;
  const [option, value, ...rest] = argv[0].includes('=') ? [...argv[0].split('='), ...argv.slice(1)] : argv;
  const names = stages.map((stage) => stage.name);
  const wanted = (value ?? '').split(',').filter((name) => name !== '');
  const unknown = wanted.filter((name) => !names.includes(name));
  if (option !== '--only' || rest.length > 0 || wanted.length === 0 || unknown.length > 0) {
    console.error(`test: found ${argv.join(' ')}; expected --only with some of ${names.join(',')}`);
    process.exit(2);
  }
  return stages.filter((stage) => wanted.includes(stage.name));
}

const rows = [];
const total = { passed: 0, failed: 0 };

/** Runs a stage, unless it cannot run here; gives its row for the end. */
async function carryOut(stage) {
  if (interrupted) return [stage.name, 'not run', '', 'interrupted'];
  const why = stage.why();
  if (why !== '') {
    if (isCi) total.failed += 1;
    console.log(`${stage.name}: cannot run here: ${why}`);
    return [stage.name, isCi ? 'FAILED' : 'not run', '', why];
  }
  console.log(`${stage.name} ...`);
  const began = performance.now();
  const result = await stage.run();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  total.passed += result.passed;
  total.failed += result.failed;
  if (result.failed > 0) console.log(`\n${result.output.trimEnd()}\n`);
  const counts = [`${result.passed} passed`, `${result.failed} failed`];
  if (result.skipped > 0) counts.push(`${result.skipped} skipped`);
  return [stage.name, result.failed > 0 ? 'FAILED' : 'passed', `${seconds} s`, counts.join(', ')];
}

try {
  const chosen = selected(process.argv.slice(2));
  if (chosen.some(({ name, why }) => name === 'e2e' && why() === '')) prepareHosts();
  rows.push(...(await Promise.all(chosen.filter(({ reads }) => reads).map(carryOut))));
  for (const stage of chosen.filter(({ reads }) => !reads)) rows.push(await carryOut(stage));
} finally {
  rmSync(reports, { recursive: true, force: true });
}

console.log('');
for (const [name, verdict, seconds, note] of rows)
  console.log(`${name.padEnd(11)}${verdict.padEnd(8)}${seconds.padStart(9)}  ${note}`.trimEnd());
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = interrupted ? 130 : total.failed > 0 ? 1 : 0;
