export { intakeConfigSchema, type IntakeConfig } from './config.ts';
export type { ContainerOptions } from './container.ts';
export { startIntake, type IntakePorts } from './start.ts';
