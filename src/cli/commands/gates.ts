/** `rollout gates check ENV`: every gate, evaluated now on the present fleet, with its numbers. Changes nothing. */
import { checkGates } from '../../engine/check-gates.ts';
import type { CommandModule } from '../command-module.ts';
import { EXIT } from '../exit-codes.ts';
import { type Invocation, listOption } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { gatesLines } from '../render/gates-view.ts';
import { sayRefused, withSession } from '../session.ts';

export const check: CommandModule = { run };

function run(invocation: Invocation): Promise<number> {
  const [name = ''] = invocation.args;
  return withSession(
    invocation,
    async (session) => {
      const context = session.open(name);
      if (!context.ok) return sayRefused(invocation, [context.error]);
      invocation.output.live(`${name}: asking what the gates ask`);
      const checked = await checkGates(context.value, {
        hosts: listOption(invocation, 'hosts'),
        signal: invocation.signal,
      });
      invocation.output.live('');
      if (!checked.ok) return sayRefused(invocation, [checked.error]);
      const { gates, kind, unknownZones, held, stopped, from, to, hosts } = checked.value;
      if (invocation.json) {
        for (const gate of gates)
          jsonLine(invocation, 'gate', {
            environment: name,
            from,
            to,
            asked: hosts,
            held,
            stopped,
            unknownZones,
            ...gate,
          });
      } else {
        invocation.output.out(gatesLines(name, checked.value, session.paint).join('\n'));
      }
      return kind === 'pass' && unknownZones.length === 0 ? EXIT.done : EXIT.held;
    },
    'own',
  );
}
