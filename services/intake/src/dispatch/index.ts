/** The dispatch, for the simulation of a cluster (`npm run bench -- simulate`). */
export { batchWeight } from './batch-weight.ts';
export type { DispatchPort, DispatchProducer, SkipPort } from './dispatch-ports.ts';
export { progressOfDocument, type DispatchProgress } from './dispatch-progress.ts';
export type { ClaimScope } from './dispatch-store.ts';
export type { StagedBatch, WindowLimits } from './staged-batch.ts';
export { Dispatcher, type DispatcherOptions } from './dispatcher.ts';
export type { Due } from './due-actions.ts';
export { minWindowForNewcomersOf, minWindowOf, type Measured } from './lane-window.ts';
export type { ShareInFlight } from './shares-in-flight.ts';
