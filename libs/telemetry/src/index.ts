export * from './tracing/index.ts';
