export * from './accounting.ts';
export * from './action.ts';
export * from './batching.ts';
export * from './entity.ts';
export * from './errors.ts';
export * from './fence.ts';
export * from './outcome.ts';
export * from './routing.ts';
