/** The outbox in memory does what every outbox does. */
import { outboxContract } from '../contract/outbox.ts';
import { memoryOutbox } from './memory-outbox.ts';

outboxContract('the outbox in memory', async () => {
  const outbox = memoryOutbox();
  return { open: () => outbox, close: async () => undefined };
});
