export { intakeConfigSchema, type IntakeConfig } from './config.ts';
export { startIntake, type ContainerOptions, type IntakePorts } from './container.ts';
