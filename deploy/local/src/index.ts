export { type Child, startChild } from './child.ts';
export { type Environment, loadEnv, OWN_PARTS } from './env.ts';
export { StackError, type StackErrorCode } from './errors.ts';
export { acquireLock } from './lock.ts';
export { cacheFolder, packageRoot, stackPaths, type StackPaths, workspaceRoot } from './paths.ts';
export { isPortFree, releasePorts, reservePorts } from './ports.ts';
export { identify, isAlive, type ProcessIdentity, signalProcess, terminate } from './processes.ts';
export { type OwnEngine, startOwnEngine } from './containers/own-engine.ts';
export { WHEEL_ENGINE } from './parts/mongo.ts';
export { installPackage } from './provision/apt.ts';
export { type BackgroundBuild, buildMongoInBackground } from './provision/background-build.ts';
export { provideChromium } from './provision/chromium.ts';
export { provideCustomResources } from './provision/custom-resources.ts';
export { type GoTools, provideGoTools } from './provision/go-tools.ts';
export { provideExamplePython } from './provision/example-python.ts';
export { provideAmtool, providePromtool } from './provision/promtool.ts';
export { provideJava } from './provision/java.ts';
export { provideKafka } from './provision/maven.ts';
export { provideRedis } from './provision/redis.ts';
export { provideNode, withNode } from './provision/node.ts';
export {
  lineOf,
  NODE_VERSIONS_FILE,
  type NodeRelease,
  type NodeVersions,
  readNodeVersions,
} from './provision/node-versions.ts';
export { provideKubernetesValidate } from './provision/kubernetes-validate.ts';
export { provideKustomize, type KustomizeCommand } from './provision/kustomize.ts';
export { provideSchemathesis } from './provision/schemathesis.ts';
export { findSecantusRust, provideSecantusWheel } from './provision/secantus.ts';
export { findOnPath, type ProvisionContext, run, type RunResult, tiedToUs } from './provision/tools.ts';
export type { EndSignal, RunningStack, StartOptions } from './running.ts';
export { inspectStack, type PartHealth, processOf, resetStack, startStack, stopStack } from './stack.ts';
export {
  envLines,
  MAX_BROKERS,
  type PartName,
  partNames,
  partOf,
  type ProcessName,
  processesWith,
  replicationVariables,
  type StackUrls,
} from './state.ts';
export { startTestStack, type TestStack } from './test-stack.ts';
