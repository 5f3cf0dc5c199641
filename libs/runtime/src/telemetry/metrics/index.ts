export * from './bounded.ts';
export * from './consumer.ts';
export * from './metrics.ts';
export * from './readiness.ts';
export * from './service.ts';
