export * from './processes/errors.ts';
export type { ServiceOutput } from './processes/output.ts';
export { probeReadiness } from './processes/readiness.ts';
export * from './processes/service-group.ts';
export * from './processes/service-process.ts';
export * from './processes/services.ts';
