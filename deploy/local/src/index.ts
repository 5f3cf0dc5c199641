export { type Environment, loadEnv } from './env.ts';
export { StackError, type StackErrorCode } from './errors.ts';
export { cacheFolder, stackPaths, type StackPaths, workspaceRoot } from './paths.ts';
export { isPortFree, releasePorts, reservePorts } from './ports.ts';
export { identify, isAlive, type ProcessIdentity, signalProcess, terminate } from './processes.ts';
export { tiedToUs } from './provision/tools.ts';
export type { EndSignal, RunningStack, StartOptions } from './running.ts';
export { inspectStack, type PartHealth, resetStack, startStack, stopStack } from './stack.ts';
export { envLines, type PartName, partNames, type StackUrls } from './state.ts';
