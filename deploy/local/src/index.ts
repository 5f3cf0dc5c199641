export { type Environment, loadEnv } from './env.ts';
export { StackError, type StackErrorCode } from './errors.ts';
export type { EndSignal, RunningStack, StartOptions } from './running.ts';
export { inspectStack, type PartHealth, resetStack, startStack, stopStack } from './stack.ts';
export { envLines, type PartName, partNames, type StackUrls } from './state.ts';
