import { join } from 'node:path';
import { inspect } from 'node:util';
import { workspaceRoot } from '@bulk/local-stack';
import { z } from 'zod';
import { configSchemaOf } from '../config-docs/config-table.ts';
import { SERVICES } from '../processes/services.ts';
import { configMapSchema, type ContainerManifest, type Manifest } from './manifest.ts';

/** Variables that a container is given → their values; of those that come from a Secret, an example's. */
export type ContainerEnvironment = Readonly<Record<string, string>>;

/** What has a configuration: the services, and the installer. */
export const CONFIGURED = [...SERVICES, 'installer'] as const;
export type Configured = (typeof CONFIGURED)[number];

/** The configuration schema of a service or the installer: the one from its `config.ts`. */
export function configSchema(name: Configured): Promise<z.ZodObject> {
  const folder = name === 'installer' ? ['tools', 'src', 'install'] : ['services', name, 'src'];
  return configSchemaOf(join(workspaceRoot, ...folder, 'config.ts'));
}

/**
 * What a container's process would find in its environment.
 *
 * @param secrets examples of the Secrets, by `name/key`.
 * @throws Error naming the ConfigMap or the key of a Secret that is referred to and not there.
 */
export function environmentOf(
  container: ContainerManifest,
  manifests: readonly Manifest[],
  secrets: ReadonlyMap<string, string>,
): ContainerEnvironment {
  const environment: Record<string, string> = {};
  for (const { configMapRef } of container.envFrom) {
    const found = manifests.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef.name,
    );
    if (found === undefined) throw new Error(`there is no ConfigMap ${configMapRef.name}`);
    Object.assign(environment, configMapSchema.parse(found).data);
  }
  for (const variable of container.env) {
    if ('value' in variable) {
      environment[variable.name] = variable.value;
      continue;
    }
    const { name, key } = variable.valueFrom.secretKeyRef;
    const value = secrets.get(`${name}/${key}`);
    if (value === undefined) throw new Error(`there is no example of Secret ${name}, key ${key}`);
    environment[variable.name] = value;
  }
  return environment;
}

/**
 * Variables without which a service does not start, or finds nothing anywhere but on its developer's machine: those
 * without a default, and those whose default is this machine. A URL stands for the host and port that it wins over.
 */
export function neededVariables(schema: z.ZodObject): string[] {
  return Object.entries(schema.shape)
    .filter(([, field]) => {
      const absent = z.instanceof(z.ZodType).parse(field).safeParse(undefined);
      return !absent.success || /127\.0\.0\.1|localhost/.test(inspect(absent.data));
    })
    .map(([name]) => (name === 'REDIS_HOST' ? 'REDIS_URL' : name));
}
