/** The embedded fleet as a process of its own: started, found again, and stopped. */
import { spawn } from 'node:child_process';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../adapters/clock/system-clock.ts';
import { type SandboxLayout, sandboxLayout } from '../adapters/sandbox/layout.ts';
import { claimFolder, deleteFolder } from '../adapters/sandbox/own-folder.ts';
import { startSandbox } from '../adapters/sandbox/sandbox.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { stateDirOf } from './configuration.ts';
import { DEMO_VERSIONS, demoPackage, writeDemoPackages } from './demo-packages.ts';
import type { Invocation } from './invocation.ts';

interface Running {
  readonly pid: number;
  readonly metricsUrl: string;
}

/** How long a start may take, ms; 20 hosts take about 3 s on two slow cores. */
const START_MS = 60_000;
const POLL_MS = 100;

export function layoutFor(invocation: Invocation): SandboxLayout {
  return sandboxLayout(stateDirOf(invocation));
}

/** The sandbox that runs now: its own endpoint must answer with the pid that the file names. */
export async function findRunning(layout: SandboxLayout): Promise<Running | null> {
  try {
    const running = JSON.parse(await readFile(layout.runningFile, 'utf8')) as Running;
    // It will be sent a signal: 0 and below mean whole groups of processes.
    if (!Number.isSafeInteger(running.pid) || running.pid <= 1) return null;
    if (!/^http:\/\/127\.0\.0\.1:\d+$/.test(running.metricsUrl)) return null;
    const answer = await fetch(`${running.metricsUrl}/-/pid`, { signal: AbortSignal.timeout(2_000) });
    const { pid } = (await answer.json()) as { pid: number };
    return pid === running.pid ? running : null;
  } catch {
    return null;
  }
}

/** Runs it in this process until the signal. */
export async function runSandbox(invocation: Invocation): Promise<Result<void, string>> {
  const layout = layoutFor(invocation);
  const claimed = await claimFolder(layout.root);
  if (!claimed.ok) return claimed;
  await writeDemoPackages(layout.packages);
  const base = DEMO_VERSIONS[0]?.version ?? '';
  const sandbox = await startSandbox({
    layout,
    clock: systemClock,
    path: invocation.env.PATH ?? '/usr/bin:/bin',
    installed: {
      gstg: demoPackage(layout.packages, 'gstg', base),
      gprd: demoPackage(layout.packages, 'gprd', base),
    },
  });
  await writeFile(
    layout.runningFile,
    JSON.stringify({ pid: invocation.pid, metricsUrl: sandbox.metricsUrl }),
  );
  while (!invocation.signal.aborted) await systemClock.sleep(3_600_000, invocation.signal);
  await rm(layout.runningFile, { force: true });
  await sandbox.close();
  return ok(undefined);
}

/** Starts it as a process that outlives this one, and waits until it serves. */
export async function startInBackground(invocation: Invocation): Promise<Result<Running, string>> {
  const layout = layoutFor(invocation);
  const before = await findRunning(layout);
  if (before !== null) return ok(before);
  const made = await makeEmpty(layout.root);
  if (!made.ok) return made;
  const log = await open(layout.logFile, 'w', 0o600);
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const child = spawn(process.execPath, [main, 'sandbox', 'up', '--foreground'], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  child.unref();
  const ended = new AbortController();
  child.once('exit', () => ended.abort());
  const until = systemClock.now() + START_MS;
  try {
    while (!ended.signal.aborted && systemClock.now() < until && !invocation.signal.aborted) {
      const running = await findRunning(layout);
      if (running !== null) return ok(running);
      await systemClock.sleep(POLL_MS, invocation.signal);
    }
  } finally {
    await log.close();
  }
  const said = await readFile(layout.logFile, 'utf8').catch(() => '');
  return err(`the sandbox did not come up; it said:\n${said.slice(-2_000)}`);
}

async function makeEmpty(folder: string): Promise<Result<void, string>> {
  const deleted = await deleteFolder(folder);
  return deleted.ok ? claimFolder(folder) : deleted;
}

/** Stops it and deletes what it wrote. Answers whether one ran; the error says why its folder is left alone. */
export async function stopSandbox(invocation: Invocation): Promise<Result<boolean, string>> {
  const layout = layoutFor(invocation);
  const running = await findRunning(layout);
  if (running !== null) {
    process.kill(running.pid, 'SIGTERM');
    const until = systemClock.now() + 10_000;
    while ((await findRunning(layout)) !== null && systemClock.now() < until)
      await systemClock.sleep(POLL_MS);
  }
  const deleted = await deleteFolder(layout.root);
  return deleted.ok ? ok(running !== null) : deleted;
}
