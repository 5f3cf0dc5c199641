import { createLogger, InvalidConfigError, loadConfig } from '@bulk/runtime';
import { installConfigSchema, type InstallConfig } from './config.ts';
import { install } from './install.ts';

// The process edge of the installer, which runs in an image of its own. Exit code 0 if everything
// exists, 1 if not, 78 for a bad configuration.
const EX_CONFIG = 78;
const abort = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => abort.abort(new Error(`ended by ${signal}`)));
}

let config: Readonly<InstallConfig>;
try {
  config = loadConfig(installConfigSchema, process.env);
} catch (error) {
  if (!(error instanceof InvalidConfigError)) throw error;
  process.stderr.write(`installer: ${error.message}\n`);
  process.exit(EX_CONFIG);
}
const log = createLogger({ service: 'installer', level: config.LOG_LEVEL, format: config.LOG_FORMAT });
try {
  await install(config, log, abort.signal);
  process.exit(0);
} catch (error) {
  log.fatal({ err: error }, 'Installation failed');
  process.exit(1);
}
