export { installConfigSchema } from './config.ts';
export { install } from './install.ts';
