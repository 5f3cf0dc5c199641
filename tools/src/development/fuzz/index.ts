export { describeFinding } from './finding.ts';
export { KINDS } from './fuzz-case.ts';
export { routesOf } from './routes.ts';
export { runFuzz } from './run-fuzz.ts';
export { FuzzTarget } from './target.ts';
