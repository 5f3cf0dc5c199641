import { once } from 'node:events';
import { createServer } from 'node:http';
import { createApi } from './api.ts';
import { peerConfigSchema } from './config.ts';
import { startGateway } from './gateway.ts';
import { openParts } from './parts.ts';
import { startWorker } from './worker.ts';

// One process of the peer: the simple design that one would otherwise write. One queue in Redis
// (BullMQ), a job per batch, a worker that writes the batch to MongoDB, logs it, counts it on the
// action and publishes the progress by Redis to a WebSocket gateway. At least once, no fences.

/** Longest time until the process has stopped, in ms. */
const STOP_MS = 20_000;

const config = peerConfigSchema.parse(process.env);
const parts = await openParts(config);
const server =
  config.PEER_ROLE === 'api'
    ? await createApi(parts)
    : createServer((_request, response) => {
        // The worker answers only the question whether it is ready.
        response.end();
      });
if (config.PEER_ROLE === 'api') await startGateway(server, parts);
else await startWorker(parts);
server.listen(config.PORT, '127.0.0.1');
await once(server, 'listening');

process.once('SIGTERM', () => {
  server.closeAllConnections();
  void parts.releasers.releaseAll(STOP_MS).then(() => process.exit());
});
