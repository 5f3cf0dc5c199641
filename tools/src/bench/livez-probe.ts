import { setTimeout as delay } from 'node:timers/promises';

// Requests the URL of its argument repeatedly, in a process of its own, so that the work of the
// benchmark does not delay the requests. It sends the latency of each answer, in ms, to its parent,
// and ends with the parent.

const PAUSE_MS = 20;

const [, , url = ''] = process.argv;
process.once('disconnect', () => process.exit());
for (;;) {
  const startedAt = performance.now();
  const answer = await fetch(url).catch(() => undefined);
  await answer?.arrayBuffer();
  process.send?.({ ms: performance.now() - startedAt, ok: answer?.ok ?? false });
  await delay(PAUSE_MS);
}
