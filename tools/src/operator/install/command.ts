import { createLogger, InvalidConfigError, loadConfig, redactorOf, secretsOf } from '@bulk/runtime';
import { Command } from 'commander';
import { environmentHere } from '../../installation/running.ts';
import { installConfigSchema, type InstallConfig } from './config.ts';
import { install } from './install.ts';

/** The exit code for a configuration error in sysexits.h. */
const EX_CONFIG = 78;

/** Creates the command that creates topics, schemas and indexes. */
export function installCommand(): Command {
  return new Command('install')
    .description('creates topics, schemas and indexes; exit code 78 for an invalid configuration')
    .action(runInstaller);
}

/**
 * Runs the installer as a service would run: with a log, and with exit code 0 if everything exists,
 * 1 if not.
 */
async function runInstaller(): Promise<void> {
  const abort = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => abort.abort(new Error(`ended by ${signal}`)));
  }
  let config: Readonly<InstallConfig>;
  try {
    config = loadConfig(installConfigSchema, await environmentHere());
  } catch (error) {
    if (!(error instanceof InvalidConfigError)) throw error;
    process.stderr.write(`installer: ${error.message}\n`);
    process.exit(EX_CONFIG);
  }
  const { LOG_LEVEL: level, LOG_FORMAT: format } = config;
  const log = createLogger({ service: 'installer', level, format, redact: redactorOf(secretsOf(config)) });
  try {
    await install(config, log, abort.signal);
    process.exit(0);
  } catch (error) {
    log.fatal({ err: error }, 'Installation failed');
    process.exit(1);
  }
}
