export type { ListedLetter } from './desk.ts';
export { openDesk } from './open.ts';
