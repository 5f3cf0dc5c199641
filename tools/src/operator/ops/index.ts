export { migratePartitions } from '../epoch/migrate.ts';
export { rebuildKafka } from '../epoch/rebuild.ts';
export { membersOf } from '../epoch/undrained.ts';
export { readLag, sharedGroups } from '../lag/read-lag.ts';
export { checkRestore } from '../restore/check.ts';
