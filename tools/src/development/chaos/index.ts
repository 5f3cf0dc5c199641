export { runRound } from './round.ts';
export { ChaosTarget } from './target.ts';
