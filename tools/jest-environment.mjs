import { TestEnvironment } from 'jest-environment-node';

// A worker whose jest was killed would continue its tests as an orphan, without the real parts.
const onDisconnect = () => process.exit(1);
process.once('disconnect', onDisconnect);
// This listener keeps the channel to jest open, and with it the worker. Jest removes its own listener when the
// worker's work is done; the worker then ends by itself, unless a test has left something open.
process.on('removeListener', (event) => {
  if (event === 'message') process.removeListener('disconnect', onDisconnect);
});

/** Node's own environment. */
export default TestEnvironment;
