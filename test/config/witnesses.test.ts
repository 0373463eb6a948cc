/** The keys of other witnesses: what is taken, what is refused and where, and what comes of it. */
import { describe, expect, it } from 'vitest';
import { environmentText, loadFiles, problemsWith } from './some-files.ts';

const withKeys = (kind: string, keys: string) => `witnesses:\n  one: { kind: ${kind}, ${keys} }\n`;

const LOKI =
  'url: "https://loki.example.com", query: "sum by (host)(count_over_time({job=\\"r\\"}[$window]))"';
const OSCTRL = 'url: "https://osctrl.example.com", environment: prod';
const FLEET = 'url: "https://fleet.example.com"';
const HOOK = 'url: "https://gate.example.com/rollouts/"';

describe('witnesses', () => {
  it.each([
    ['loki', LOKI],
    ['loki', `${LOKI}, tenant: security, username: ops, passwordEnv: LOKI_PASSWORD, window: 10m`],
    ['osctrl', `${OSCTRL}, tokenEnv: OSCTRL_TOKEN, match: uuid, hostValue: "{id}", measure: version`],
    ['fleet', `${FLEET}, tokenFile: ~/fleet-token, team: 3, timeout: 2m`],
    ['command', 'run: [./smoke-test, "{environment}", "{version}"], env: [SMOKE_TOKEN], timeout: 60s'],
    ['webhook', `${HOOK}, tokenEnv: HOOK_TOKEN, caFile: ca.pem`],
  ])('%s takes %s', (kind, keys) => {
    expect(problemsWith(withKeys(kind, keys))).toEqual([]);
  });

  it.each([
    ['lokki', LOKI, 'witnesses.one.kind', 'not one of the words'],
    ['loki', LOKI.replace('$window', '$windw'), 'witnesses.one.query', '`$windw` is nothing'],
    ['loki', LOKI.replace('$window', '$process'), 'witnesses.one.query', '`$process` is nothing'],
    ['loki', 'url: "https://l.example.com"', 'witnesses.one.query', 'missing'],
    ['loki', LOKI.replace('https://', 'https://u:p@'), 'witnesses.one.url', 'credentials do not belong'],
    ['loki', `${LOKI}, hostLabel: a-b`, 'witnesses.one.hostLabel', 'of the form'],
    ['osctrl', 'url: "https://o.example.com"', 'witnesses.one.environment', 'missing'],
    ['osctrl', `${OSCTRL}, match: hostnam`, 'witnesses.one.match', 'not one of the words'],
    ['osctrl', `${OSCTRL}, measure: age`, 'witnesses.one.measure', 'not one of the words'],
    ['osctrl', `${OSCTRL}, hostValue: "{nam}"`, 'witnesses.one.hostValue', '`{nam}` is nothing'],
    ['osctrl', `${OSCTRL}, tenant: x`, 'witnesses.one.tenant', 'unknown key'],
    ['fleet', `${FLEET}, tokenEnv: A, tokenFile: b`, 'witnesses.one.tokenFile', 'not both'],
    [
      'fleet',
      `${FLEET}, tokenEnv: A, username: ops, passwordEnv: B`,
      'witnesses.one',
      'either a token or a user',
    ],
    ['fleet', `${FLEET}, username: ops`, 'witnesses.one', 'the password of the user is missing'],
    ['fleet', `${FLEET}, passwordEnv: B`, 'witnesses.one', 'a password without username'],
    ['fleet', `${FLEET}, token: s3cret`, 'witnesses.one.token', 'a secret does not belong'],
    ['fleet', `${FLEET}, tokenEnv: s3cret`, 'witnesses.one.tokenEnv', 'of the form'],
    ['command', 'run: []', 'witnesses.one.run', 'the list is empty'],
    ['command', 'run: ["smoke-test now"]', 'witnesses.one.run[0]', 'no shell'],
    ['command', 'run: ["{environment}"]', 'witnesses.one.run[0]', 'never filled in'],
    ['command', 'run: [./t, "{hosts}"]', 'witnesses.one.run[1]', '`{hosts}` is nothing'],
    ['command', 'run: [./t], timeout: 60', 'witnesses.one.timeout', 'not a duration'],
    ['webhook', `url: "https://gate.example.com/?key=s3cret"`, 'witnesses.one.url', 'no query'],
  ])('%s refuses %s', (kind, keys, path, words) => {
    const problems = problemsWith(withKeys(kind, keys));
    expect(problems).toMatchObject([{ path, message: expect.stringContaining(words) }]);
    expect(JSON.stringify(problems)).not.toContain('s3cret');
  });

  it('have names that a gate can name', () => {
    expect(problemsWith(withKeys('webhook', HOOK).replace('one:', '"My Hook":'))).toMatchObject([
      { path: 'witnesses["My Hook"]', message: expect.stringContaining('not a name') },
    ]);
  });

  it('a mistyped name in a gate is said, with the right one', () => {
    const gate = 'gates: [{ name: g, unit: s, direction: above, limit: 600, source: { witness: onne } }]\n';
    expect(problemsWith(withKeys('fleet', FLEET) + gate)).toMatchObject([
      { path: 'gates[0].source.witness', suggestion: 'one' },
    ]);
    expect(problemsWith(withKeys('fleet', FLEET) + gate.replace('onne', 'one'))).toEqual([]);
  });

  it('come out with every default, secrets by their names, paths absolute', async () => {
    const text = environmentText(
      'lab',
      `witnesses:
  results: { kind: loki, ${LOKI}, tokenEnv: LOKI_TOKEN }
  manager: { kind: osctrl, ${OSCTRL.replace('.com"', '.com/"')}, tokenFile: token }
  fleet: { kind: fleet, ${FLEET} }
  smoke: { kind: command, run: [./smoke-test, "{version}"] }
  other: { kind: command, run: [smoke-test] }
  gate: { kind: webhook, ${HOOK}, username: u, passwordEnv: P, caFile: ca.pem }
`,
    );
    const { dir, environment } = await loadFiles({ 'environments/lab.yaml': text });
    const lab = environment('lab');
    const folder = `${dir}/environments`;
    expect(lab.kind === 'ready' ? lab.environment.witnesses : lab).toEqual({
      results: {
        kind: 'loki',
        url: 'https://loki.example.com',
        auth: { kind: 'bearer', token: { kind: 'env', name: 'LOKI_TOKEN' } },
        timeoutMs: 10_000,
        query: 'sum by (host)(count_over_time({job="r"}[$window]))',
        hostLabel: 'host',
        hostValue: '{name}',
        windowMs: 300_000,
      },
      manager: {
        kind: 'osctrl',
        url: 'https://osctrl.example.com',
        auth: { kind: 'bearer', token: { kind: 'file', path: `${folder}/token` } },
        timeoutMs: 60_000,
        environment: 'prod',
        match: 'hostname',
        hostValue: '{name}',
        measure: 'last-seen',
      },
      fleet: {
        kind: 'fleet',
        url: 'https://fleet.example.com',
        auth: { kind: 'none' },
        timeoutMs: 60_000,
        match: 'hostname',
        hostValue: '{name}',
        measure: 'last-seen',
      },
      smoke: {
        kind: 'command',
        run: [`${folder}/smoke-test`, '{version}'],
        folder,
        env: [],
        timeoutMs: 60_000,
      },
      other: { kind: 'command', run: ['smoke-test'], folder, env: [], timeoutMs: 60_000 },
      gate: {
        kind: 'webhook',
        url: 'https://gate.example.com/rollouts/',
        auth: { kind: 'basic', username: 'u', password: { kind: 'env', name: 'P' } },
        caFile: `${folder}/ca.pem`,
        timeoutMs: 10_000,
      },
    });
  });

  it('there are none where none are written', async () => {
    const { environment } = await loadFiles({ 'environments/lab.yaml': environmentText() });
    const lab = environment('lab');
    expect(lab.kind === 'ready' && 'witnesses' in lab.environment).toBe(false);
  });
});
