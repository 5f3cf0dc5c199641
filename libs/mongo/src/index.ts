export * from './config.ts';
export * from './database.ts';
export * from './documents.ts';
export * from './entity-store.ts';
export * from './errors.ts';
export * from './indexes.ts';
export * from './open-database.ts';
export * from './progress-state.ts';
