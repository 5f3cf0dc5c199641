import { WebSocket } from 'ws';
import { inParallel } from '../../development/loadtest/in-parallel.ts';
import { crowdOrderSchema, type CrowdOrder, type CrowdReport } from './messages.ts';

// A crowd of subscribers in a process of its own, so that neither its work nor its open files burden
// the benchmark. Its parent sends it an order; it ends with the parent.

/** Number of connections that are opened at the same time. */
const OPENING = 64;
/** Found in a frame instead of parsing it, because the crowd must not be slower than the notifier. */
const UPDATE = '"event":"actionUpdate"';
const COMPLETED = '"status":"completed"';

let frames = 0;
let firstSeenAt = 0;
let ended = 0;

function tell(report: CrowdReport): void {
  process.send?.(report);
}

/** Opens one subscription. Resolves with its first frame, which is the snapshot. */
function subscribe({ url, accountId, actionId, connections }: CrowdOrder): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { headers: { 'x-account-id': accountId }, perMessageDeflate: false });
    socket.on('error', reject);
    socket.on('close', (code) => {
      const reason = `a connection was closed (${code})`;
      reject(new Error(reason));
      tell({ kind: 'failed', reason });
    });
    socket.on('open', () => socket.send(JSON.stringify({ event: 'subscribe', data: actionId })));
    socket.on('message', (data: Buffer) => {
      if (!data.includes(UPDATE)) return;
      frames += 1;
      resolve();
      if (!data.includes(COMPLETED)) return;
      const now = Date.now();
      if (firstSeenAt === 0) firstSeenAt = now;
      ended += 1;
      if (ended === connections) tell({ kind: 'ended', frames, firstSeenAt, lastSeenAt: now });
    });
  });
}

process.once('disconnect', () => process.exit());
process.once('message', (message) => {
  const order = crowdOrderSchema.parse(message);
  inParallel(order.connections, OPENING, () => subscribe(order)).then(
    () => tell({ kind: 'subscribed' }),
    (error: unknown) => tell({ kind: 'failed', reason: String(error) }),
  );
});
