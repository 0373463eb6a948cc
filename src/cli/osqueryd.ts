#!/usr/bin/env node
/** The `osqueryd` program: the lifecycle commands alone, under the name that hands type at 03:00. */
import { keepCompiledCode } from './compile-cache.ts';

keepCompiledCode(process.env, process.geteuid?.());
const { main } = await import('./process.ts');
const { runOsqueryd } = await import('./osqueryd-program.ts');

await main('osqueryd', runOsqueryd);
