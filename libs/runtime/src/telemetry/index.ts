export * from './metrics/index.ts';
export * from './tracing/index.ts';
