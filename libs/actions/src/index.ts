export * from './catalog.ts';
export * from './entity-store.ts';
export * from './entity-type.ts';
export * from './handler.ts';
export * from './handlers/update-handler.ts';
export * from './registry.ts';
