import { TestEnvironment } from 'jest-environment-node';

// A worker of jest whose jest was ended hard would go on with its tests, as an orphan and without the real parts.
process.once('disconnect', () => process.exit(1));

/** Node's own environment. */
export default TestEnvironment;
