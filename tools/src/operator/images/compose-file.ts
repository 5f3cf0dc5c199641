import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workspaceRoot } from '@bulk/local-stack';
import { parse } from 'yaml';
import { z } from 'zod';

const schema = z.object({
  services: z.record(
    z.string(),
    z.object({
      command: z.array(z.string()).optional(),
      healthcheck: z.object({ test: z.tuple([z.literal('CMD')], z.string()) }).optional(),
    }),
  ),
});

/** What deploy/compose.yaml runs in the containers of a service. */
export interface ComposeFile {
  /** Returns the arguments of a service's image. @throws Error if there are none. */
  readonly commandOf: (service: string) => readonly string[];
  /** Returns the program and arguments of a service's health check. @throws Error if there is none. */
  readonly healthCheckOf: (service: string) => readonly string[];
}

/** Reads deploy/compose.yaml. @throws ZodError if a service has no health check without a shell. */
export function readCompose(): ComposeFile {
  const file = join(workspaceRoot, 'deploy', 'compose.yaml');
  const { services } = schema.parse(parse(readFileSync(file, 'utf8'), { merge: true }));
  const found = <T>(value: T | undefined, what: string): T => {
    if (value === undefined) throw new Error(`deploy/compose.yaml has no ${what}`);
    return value;
  };
  return {
    commandOf: (service) => found(services[service]?.command, `command of ${service}`),
    healthCheckOf: (service) =>
      found(services[service]?.healthcheck, `health check of ${service}`).test.slice(1),
  };
}
