export * from './filter.ts';
export * from './parse-filter.ts';
