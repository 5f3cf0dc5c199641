import type { z } from 'zod';
import { InvalidConfigError, loadConfig, type Environment, type runtimeConfigShape } from './config.ts';
import { createLogger } from './logger.ts';
import { runService, type ServiceContext } from './run-service.ts';
import { redactorOf, secretsOf } from './secrets.ts';

type RuntimeConfig = z.infer<z.ZodObject<typeof runtimeConfigShape>>;

export interface ServiceMainOptions<C extends RuntimeConfig> {
  readonly name: string;
  readonly configSchema: z.ZodType<C>;
  readonly env: Environment;
  /** Connects, wires and starts the service. It registers with `context.releasers` how each resource is closed. */
  readonly start: (config: Readonly<C>, context: ServiceContext) => Promise<void>;
}

/** Runs a service as a process: configuration, logger, signals. An invalid configuration ends it with exit code 78. */
export async function serviceMain<C extends RuntimeConfig>(options: ServiceMainOptions<C>): Promise<void> {
  let config: Readonly<C>;
  try {
    config = loadConfig(options.configSchema, options.env);
  } catch (error) {
    if (!(error instanceof InvalidConfigError)) throw error;
    process.stderr.write(`${options.name}: ${error.message}\n`);
    process.exit(EX_CONFIG);
  }
  const redact = redactorOf(secretsOf(config));
  const { LOG_LEVEL: level, LOG_FORMAT: format } = config;
  const log = createLogger({ service: options.name, level, format, redact });
  await runService({
    log,
    redact,
    graceMs: config.SHUTDOWN_GRACE_MS,
    probes: {
      intervalMs: config.READINESS_PROBE_INTERVAL_MS,
      timeoutMs: config.READINESS_PROBE_TIMEOUT_MS,
      refusalMs: config.READINESS_REFUSAL_MS,
    },
    start: (context) => options.start(config, context),
  });
}

/** The exit code for a configuration error in sysexits.h. */
const EX_CONFIG = 78;
