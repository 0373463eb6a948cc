#!/usr/bin/env node
/** The `rollout` program: hands the process to one command and turns its answer into an exit status. */
import { main } from './process.ts';
import { runProgram } from './program.ts';

await main('rollout', runProgram);
