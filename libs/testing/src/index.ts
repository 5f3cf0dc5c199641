export * from './accounting-checker.ts';
export * from './breakable-link.ts';
export * from './eventually.ts';
export * from './installation.ts';
export * from './sequential-model.ts';
export * from './service-context.ts';
export * from './stack-urls.ts';
export * from './topic-reader.ts';
