/** The layer check finds each breach, and nothing where there is none. */
import { describe, expect, it } from 'vitest';
import { type Exceptions, findBreaches, type Rule } from './rules.ts';

const SOURCE = '/** Something. */\nexport const x = 1;\n';
/** One harmless file of every layer for the samples to import. */
const HOUSE: readonly [string, string][] = [
  'src/domain/host.ts',
  'src/ports/clock.ts',
  'src/engine/tick.ts',
  'src/config/load.ts',
  'src/adapters/ssh/ssh.ts',
  'src/adapters/clock/system-clock.ts',
  'src/adapters/http/asker.ts',
  'src/cli/main.ts',
].map((file) => [file, SOURCE]);

const none: Exceptions = { long: {}, time: {}, process: {} };

function rulesBroken(file: string, code: string, exceptions = none): Rule[] {
  const files = new Map([...HOUSE, [file, `/** Sample. */\n${code}\n`]]);
  const breaches = findBreaches(files, exceptions);
  expect(breaches.every((breach) => breach.file === file && breach.line >= 1)).toBe(true);
  return breaches.map((breach) => breach.rule);
}

describe('layers', () => {
  it.each([
    ['src/domain/a.ts', '../domain/host.ts'],
    ['src/ports/a.ts', '../domain/host.ts'],
    ['src/engine/a.ts', '../ports/clock.ts'],
    ['src/config/a.ts', 'zod'],
    ['src/config/a.ts', 'node:fs/promises'],
    ['src/adapters/ssh/a.ts', 'ssh2'],
    ['src/adapters/ssh/a.ts', './ssh.ts'],
    ['src/adapters/ssh/a.ts', '../../domain/host.ts'],
    ['src/adapters/ssh/a.ts', '../../ports/clock.ts'],
    ['src/adapters/ssh/a.ts', '../http/asker.ts'],
    ['src/cli/commands/a.ts', '../../adapters/ssh/ssh.ts'],
    ['src/cli/a.ts', '../engine/tick.ts'],
    ['src/cli/a.ts', 'commander'],
  ])('lets %s import %s', (file, specifier) => {
    expect(rulesBroken(file, `import { x } from '${specifier}';`)).toEqual([]);
  });

  it.each([
    ['src/domain/a.ts', '../ports/clock.ts'],
    ['src/domain/a.ts', 'node:crypto'],
    ['src/domain/a.ts', 'zod'],
    ['src/ports/a.ts', '../engine/tick.ts'],
    ['src/ports/a.ts', 'node:stream'],
    ['src/engine/a.ts', '../adapters/ssh/ssh.ts'],
    ['src/engine/a.ts', '../config/load.ts'],
    ['src/engine/a.ts', '../cli/main.ts'],
    ['src/engine/a.ts', 'node:crypto'],
    ['src/engine/a.ts', 'p-limit'],
    ['src/config/a.ts', '../ports/clock.ts'],
    ['src/config/a.ts', 'ssh2'],
    ['src/config/a.ts', 'node:child_process'],
    ['src/adapters/ssh/a.ts', '../clock/system-clock.ts'],
    ['src/adapters/http/a.ts', '../ssh/ssh.ts'],
    ['src/engine/a.ts', '../adapters/http/asker.ts'],
    ['src/adapters/ssh/a.ts', '../../engine/tick.ts'],
    ['src/adapters/ssh/a.ts', '../../config/load.ts'],
    ['src/adapters/ssh/a.ts', '../../cli/main.ts'],
  ])('does not let %s import %s, in whatever form', (file, specifier) => {
    for (const form of [
      `import { x } from '${specifier}';`,
      `import type { X } from "${specifier}";`,
      `import x, * as y from '${specifier}'`,
      `import '${specifier}';`,
      `export { x } from '${specifier}';`,
      `export * from '${specifier}';`,
      `export type { X } from '${specifier}';`,
      `const x = await import('${specifier}');`,
      `type X = import('${specifier}').X;`,
      `import {\n  a as b, // from 'here'\n  type C,\n} from '${specifier}';`,
    ]) {
      expect(rulesBroken(file, form), `form: ${form}`).toEqual(['layer']);
    }
  });

  it('does not know a layer of its own making', () => {
    expect(rulesBroken('src/shared/a.ts', 'export const y = 1;')).toEqual(['layer']);
  });

  it.each(['./nowhere.ts', './host', '../../test/fakes/x.ts', './host.js'])(
    'finds that %s is no source file',
    (specifier) => {
      expect(rulesBroken('src/domain/a.ts', `import { x } from '${specifier}';`)).toEqual(['import']);
    },
  );

  it('does not accept an import that only the running program can tell', () => {
    expect(rulesBroken('src/cli/a.ts', 'const x = await import(name);')).toEqual(['import']);
    expect(rulesBroken('src/cli/a.ts', 'const x = await import(`./${name}.ts`);')).toEqual(['import']);
  });
});

describe('time and chance', () => {
  const uses = [
    'const t = Date.now();',
    'const t = Date?.now();',
    'const t = new Date();',
    'const t = new Date;',
    'const t = Date();',
    'const t = new globalThis.Date();',
    'const now = { now: Date.now };',
    'setTimeout(f, 1);',
    'const later = setInterval;',
    'globalThis.setTimeout(f, 1);',
    'const r = Math.random();',
    'const t = performance.now();',
    'const t = process.hrtime();',
    'const s = `at ${Date.now()} o’clock`;',
  ];

  it.each(uses)('finds %s', (code) => {
    expect(rulesBroken('src/engine/a.ts', code)).toEqual(['time']);
    expect(rulesBroken('src/cli/a.ts', code)).toEqual(['time']);
    expect(rulesBroken('src/adapters/clock/a.ts', code).filter((rule) => rule === 'time')).toEqual([]);
  });

  it.each(['node:timers/promises', 'timers', 'node:perf_hooks'])('finds an import of %s', (module) => {
    expect(rulesBroken('src/adapters/ssh/a.ts', `import { x } from '${module}';`)).toEqual(['time']);
  });

  it.each([
    'const d = new Date(clock.now());',
    'const d = Date.UTC(2026, 0, 1);',
    'let d: Date | null = null;',
    'socket.setTimeout(5_000);',
    'const options = { setTimeout: 5, now: 1 };',
    'const signal = AbortSignal.timeout(5_000);',
    '// Date.now() would be wrong here',
    '/* setTimeout(f) */',
    "const text = 'call Date.now() and setTimeout()';",
    'const text = `Math.random()`;',
    'const pattern = /Date.now() setTimeout(/;',
    'const pattern = [/[/"]setTimeout\\//];',
  ])('sees nothing in %s', (code) => {
    expect(rulesBroken('src/engine/a.ts', code)).toEqual([]);
  });
});

describe('the process', () => {
  it.each([
    'const home = process.env.HOME;',
    "const home = process.env['HOME'];",
    'const [a] = process.argv;',
    'process.exit(1);',
    'process.exitCode = 1;',
    "process.stdout.write('x');",
    "process?.stderr.write('x');",
    "process.on('SIGINT', f);",
    "const e = process['env'];",
    'const { env } = process;',
    'const e = globalThis.process.env;',
    "console.log('x');",
    "import { env } from 'node:process';",
    "import process from 'process';",
  ])('finds %s', (code) => {
    expect(rulesBroken('src/adapters/ssh/a.ts', code)).toEqual(['process']);
    expect(rulesBroken('src/cli/a.ts', code)).toEqual([]);
  });

  it.each([
    'const pid = process.pid;',
    'process.kill(pid, 0);',
    'const p = record.process.env;',
    'const x = { process: mark };',
    "const text = 'process.env.HOME';",
    'child.stdout.on(x);',
  ])('sees nothing in %s', (code) => {
    expect(rulesBroken('src/adapters/ssh/a.ts', code)).toEqual([]);
  });

  it('lets a file be a program of its own, with a reason', () => {
    const process = { 'src/adapters/ssh/a.ts': 'run by the sandbox’s shell' };
    expect(rulesBroken('src/adapters/ssh/a.ts', 'process.exit(0);', { ...none, process })).toEqual([]);
    expect(rulesBroken('src/adapters/ssh/a.ts', 'export const y = 1;', { ...none, process })).toEqual([
      'exception',
    ]);
  });
});

describe('form', () => {
  it('finds a circle, of types too, once for each import that closes it', () => {
    const files = new Map([
      ['src/domain/a.ts', "// A.\nimport type { B } from './b.ts';"],
      ['src/domain/b.ts', "// B.\nimport { c } from './c.ts';"],
      ['src/domain/c.ts', "// C.\nexport * from './a.ts';"],
      ['src/domain/d.ts', "// D.\nimport './a.ts';"],
    ]);
    const found = findBreaches(files);
    expect(found.map((breach) => [breach.rule, breach.message])).toEqual([
      ['cycle', 'src/domain/a.ts -> src/domain/b.ts -> src/domain/c.ts -> src/domain/a.ts'],
    ]);
  });

  it('finds a file that imports itself', () => {
    expect(rulesBroken('src/domain/a.ts', "import './a.ts';")).toEqual(['cycle']);
  });

  it.each([
    ['export const x = 1;', 1],
    ['import x;\n/** Too late. */', 1],
    ['/** Says it. */\nexport const x = 1;', 0],
    ['// Says it.\nexport const x = 1;', 0],
    ['#!/usr/bin/env node\n/** Says it. */', 0],
    ['#!/usr/bin/env node\nmain();', 1],
  ])('tells whether a file begins by saying what it owns: %j', (text, breaches) => {
    expect(findBreaches(new Map([['src/cli/a.ts', text]])).map((breach) => breach.rule)).toEqual(
      Array.from({ length: breaches }, () => 'comment'),
    );
  });

  it('finds a file over 400 lines, unless a reason is given that still holds', () => {
    const long = { 'src/domain/a.ts': 'one table' };
    const lines = (count: number): string => 'x;\n'.repeat(count - 2);
    expect(rulesBroken('src/domain/a.ts', lines(400))).toEqual([]);
    expect(rulesBroken('src/domain/a.ts', lines(402))).toEqual(['length']);
    expect(rulesBroken('src/domain/a.ts', lines(402), { ...none, long })).toEqual([]);
    expect(rulesBroken('src/domain/a.ts', lines(400), { ...none, long })).toEqual(['exception']);
  });

  it('lets a file touch time with a reason that still holds', () => {
    const time = { 'src/engine/a.ts': 'because' };
    expect(rulesBroken('src/engine/a.ts', 'Date.now();', { ...none, time })).toEqual([]);
    expect(rulesBroken('src/engine/a.ts', 'now();', { ...none, time })).toEqual(['exception']);
  });

  it.each([
    'utils',
    'ssh-utils',
    'host-manager',
    'error-helpers',
    'entry-handler',
    'host-data',
    'vm-info',
    'HostList',
    'host_list',
  ])('finds the file name %s', (stem) => {
    expect(rulesBroken(`src/domain/${stem}.ts`, 'export const y = 1;')).toEqual(['name']);
  });

  it.each(['metadata', 'datagram', 'information', 'handle', 'known-hosts', 'sha256'])(
    'accepts the file name %s',
    (stem) => {
      expect(rulesBroken(`src/domain/${stem}.ts`, 'export const y = 1;')).toEqual([]);
    },
  );

  it.each([
    'export interface HostInfo {}',
    'export type VmData = string;',
    'export class LeaseManager {}',
    'export abstract class StepHandler {}',
  ])('finds the name in %s', (code) => {
    expect(rulesBroken('src/domain/a.ts', code)).toEqual(['name']);
  });

  it.each([
    'export interface Metadata {}',
    'interface HostInfo {}',
    'export type Handle = 1;',
    'export const type = data;',
  ])('accepts the name in %s', (code) => {
    expect(rulesBroken('src/domain/a.ts', code)).toEqual([]);
  });
});
