/** Rules between the keys of one playbook. They trust no shape, as rules.ts. */
import { BUILTIN_GATES } from '../domain/builtin-gates.ts';
import { type Fault, fault } from './problem.ts';
import { strategyFaults } from './rules.ts';
import {
  ACTIONS,
  CHECK_OF,
  NOT_MEANT_TO_RUN,
  type PlaybookAction,
  type Program,
  STEP_ORDER,
  UNDO,
} from './schema/playbook.ts';
import { readKey } from './schema-walk.ts';
import { wayBackFaults } from './way-back-rules.ts';
import { has, listOf } from './written-shape.ts';

/** All rules inside one playbook. */
export function playbookFaults(written: unknown): Fault[] {
  const action = actionOf(written);
  return [
    ...(action === null ? [] : [...stepFaults(written, action), ...checkFaults(written, action)]),
    ...strategyFaults(written),
    ...rollbackFaults(written),
    ...wayBackFaults(written),
    ...(action === null ? [] : blindGateFaults(written, action)),
  ];
}

function actionOf(written: unknown): PlaybookAction | null {
  const action = readKey(written, 'action');
  return typeof action === 'string' && Object.hasOwn(STEP_ORDER, action) ? (action as PlaybookAction) : null;
}

function isRollout(action: PlaybookAction): boolean {
  return (ACTIONS as readonly string[]).includes(action);
}

/** A rollback has one wave, is not watched, and looks and proves in the rollout's own times: other keys would do nothing. */
function rollbackFaults(written: unknown): Fault[] {
  if (readKey(written, 'action') !== 'rollback') return [];
  const idle = ['waves', 'soak', 'gates'].filter((key) => has(written, key));
  const faults = idle.map((key) =>
    fault([key], 'a rollback goes to every host at once and is not watched', { part: 'key', found: key }),
  );
  for (const [index, step] of listOf(readKey(written, 'steps')).entries()) {
    const run = readKey(step, 'run');
    if ((run !== 'look' && run !== 'prove') || !has(step, 'timeout')) continue;
    const message = `\`${run}\` takes the time that the rollout's own playbook gives it`;
    faults.push(fault(['steps', index, 'timeout'], message, { part: 'key', allowed: ['timeout of revert'] }));
  }
  return faults;
}

function stepFaults(written: unknown, action: PlaybookAction): Fault[] {
  const steps = readKey(written, 'steps');
  if (!Array.isArray(steps)) return [];
  const faults: Fault[] = [];
  const order = STEP_ORDER[action];
  const runs = steps.map((step) => readKey(step, 'run'));
  if (runs.join(' ') !== order.join(' ')) {
    faults.push(
      fault(['steps'], `the steps of ${action} are these, in this order`, {
        part: 'key',
        found: runs.map(String).join(', '),
        allowed: [order.join(', ')],
      }),
    );
  }
  for (const [index, step] of steps.entries()) faults.push(...undoFaults(step, index, action));
  return faults;
}

function undoFaults(step: unknown, index: number, action: PlaybookAction): Fault[] {
  const run = readKey(step, 'run');
  const undo = readKey(step, 'undo');
  if (run === 'upgrade' && undo === undefined)
    return [fault(['steps', index], 'without its undo there is no way back', { allowed: ['undo: revert'] })];
  if (undo === undefined || typeof run !== 'string') return [];
  const right = Object.hasOwn(UNDO, run) ? UNDO[run as Program] : undefined;
  if (right === undefined) {
    const message = isRollout(action)
      ? 'only `upgrade` changes a host and is undone'
      : `nothing takes \`${run}\` back`;
    return [fault(['steps', index, 'undo'], message, { part: 'key' })];
  }
  if (undo === right || typeof undo !== 'string') return [];
  return [
    fault(['steps', index, 'undo'], `what takes \`${run}\` back is ${right}`, {
      found: undo,
      allowed: [right],
      suggestion: right,
    }),
  ];
}

/** A check that is not the action's own would say of every host what nobody has looked for. */
function checkFaults(written: unknown, action: PlaybookAction): Fault[] {
  const check = readKey(written, 'check');
  const right = CHECK_OF[action];
  if (typeof check !== 'string' || check === right) return [];
  if (right === null)
    return [
      fault(['check'], `${action} changes what a boot does, and proves no more than that`, {
        part: 'key',
        found: check,
        allowed: ['no `check`'],
      }),
    ];
  return [
    fault(['check'], `what ${action} proves is ${right}`, {
      found: check,
      allowed: [right],
      suggestion: right,
    }),
  ];
}

/** After a stop a gate over the agent fails on every host, or never has data. */
function blindGateFaults(written: unknown, action: PlaybookAction): Fault[] {
  if (!(NOT_MEANT_TO_RUN as readonly string[]).includes(action)) return [];
  return listOf(readKey(written, 'gates')).flatMap((gate, index) => {
    const use = readKey(gate, 'use');
    if (typeof use !== 'string' || !Object.hasOwn(BUILTIN_GATES, use)) return [];
    const message = `after ${action} the agent need not run, so that a gate over the agent judges nothing`;
    return [
      fault(['gates', index, 'use'], message, { found: use, allowed: ['a gate of your own, over the host'] }),
    ];
  });
}
