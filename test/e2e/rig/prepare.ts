/** Makes what takes a minute the first time on a machine, so that it is there when hosts are booted. Run as a program. */
import { mkdir } from 'node:fs/promises';
import { buildBase } from './agent.ts';
import { fetchPrometheus } from './prometheus.ts';
import { rigSettings } from './settings.ts';

const settings = rigSettings();
await mkdir(settings.cache, { recursive: true });
await buildBase(settings);
await fetchPrometheus(settings);
