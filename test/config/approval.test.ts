/** Who asks for a second person's approval gets asked for one. */
import { describe, expect, it } from 'vitest';
import { readEnvironmentText } from '../../src/config/written.ts';
import { environmentText, loadFiles } from './some-files.ts';

async function policyWith(more: string) {
  const loaded = await loadFiles({ 'environments/lab.yaml': environmentText('lab', more) });
  expect(loaded.problems).toEqual([]);
  const found = loaded.environment('lab');
  if (found.kind !== 'ready') throw new Error(found.kind);
  return found.forAction('upgrade').policy;
}

describe('an approval', () => {
  it.each([
    ['', 'none'],
    ['approvedBy: second-person\n', 'after-canary'],
    ['approval: after-canary\napprovedBy: second-person\n', 'after-canary'],
    ['approval: none\napprovedBy: second-person\n', 'none'],
    ['approvedBy: anybody\n', 'none'],
    ['approval: after-canary\n', 'after-canary'],
  ])('of %j is %s', async (more, approval) => {
    expect((await policyWith(more)).approval).toBe(approval);
  });

  it('that is turned off beside a second person is noted, and nothing else is', () => {
    const notesOf = (more: string) => readEnvironmentText('/lab.yaml', environmentText('lab', more)).notes;
    expect(notesOf('approval: none\napprovedBy: second-person\n')).toMatchObject([
      { message: expect.stringContaining('no second person is asked behind the canary') },
    ]);
    expect(notesOf('approvedBy: second-person\n')).toEqual([]);
    expect(notesOf('approval: none\n')).toEqual([]);
  });
});
