/** The alert rules and the dashboard that ship with the program, by Prometheus' own tool: no host is needed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRegistry } from '../../src/adapters/own-metrics/registry.ts';
import { GAUGES } from '../../src/domain/own-measures.ts';
import { run } from './rig/command.ts';
import { fetchPrometheus } from './rig/prometheus.ts';
import { rigSettings } from './rig/settings.ts';

const FOLDER = join(import.meta.dirname, '../../monitoring');
let promtool = '';

beforeAll(async () => {
  promtool = join((await fetchPrometheus(rigSettings())).replace(/\/prometheus$/u, ''), 'promtool');
});

describe('what ships for Prometheus and Grafana', () => {
  it('promtool finds no fault in the rules', async () => {
    const checked = await run(promtool, ['check', 'rules', join(FOLDER, 'rollout.rules.yml')]);
    expect(checked.stdout + checked.stderr).toContain('SUCCESS: 7 rules found');
    expect(checked.code).toBe(0);
  });

  it('each rule fires when it should, and not before', async () => {
    const tested = await run(promtool, ['test', 'rules', join(FOLDER, 'rollout.rules.test.yml')]);
    expect(tested.stdout + tested.stderr).toContain('SUCCESS');
    expect(tested.code).toBe(0);
  });

  it('every metric that rules and dashboard ask for is one that the program tells', async () => {
    const told = new Set<string>([
      ...Object.keys(GAUGES),
      ...(await createRegistry().registry.getMetricsAsJSON()).map(({ name }) => name),
    ]);
    const files = ['rollout.rules.yml', 'rollout-dashboard.json'].map((name) =>
      readFileSync(join(FOLDER, name), 'utf8'),
    );
    const asked = new Set(files.flatMap((text) => text.match(/\brollout_[a-z_]+/gu) ?? []));
    expect(asked.size).toBeGreaterThan(10);
    const unknown = [...asked].filter((name) => !told.has(name.replace(/_(?:bucket|sum|count)$/u, '')));
    expect(unknown).toEqual([]);
  });
});
