#!/usr/bin/env node
/** The `rollout` program: hands the process to one command and turns its answer into an exit status. */
import { keepCompiledCode } from './compile-cache.ts';

keepCompiledCode(process.env, process.geteuid?.());
const { main } = await import('./process.ts');
const { runProgram } = await import('./program.ts');

await main('rollout', runProgram);
