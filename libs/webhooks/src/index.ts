export * from './callback-policy.ts';
export * from './config.ts';
export * from './network-policy.ts';
export * from './secret.ts';
