import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { workspaceRoot } from '@bulk/local-stack';
import { z } from 'zod';
import { configSchemaOf } from '../config-docs/config-table.ts';
import type { ImageName } from '../../operator/images/images.ts';
import { SERVICES } from '../../processes/services.ts';
import { configMapSchema, type Manifest, type PodManifest } from './manifest.ts';

/** Variables of a container → their values. Those from a Secret have an example's value. */
export type ContainerEnvironment = Readonly<Record<string, string>>;

/** What has a configuration: the services, and the installer. */
export const CONFIGURED = [...SERVICES, 'installer'] as const;
export type Configured = (typeof CONFIGURED)[number];

/** Returns the image that a service or the installer runs. */
export function imageOf(name: Configured): ImageName {
  return name === 'installer' ? 'ops' : name;
}

/** Loads the configuration schema of a service or the installer from its `config.ts`. */
export function configSchema(name: Configured): Promise<z.ZodObject> {
  const folder = name === 'installer' ? ['tools', 'src', 'operator', 'install'] : ['services', name, 'src'];
  return configSchemaOf(join(workspaceRoot, ...folder, 'config.ts'));
}

/**
 * Builds the environment that the process of a pod would find, with the files of its volumes in a
 * folder.
 *
 * @param secrets examples of the Secrets, by `name/key`.
 * @param folder an empty folder that stands for the root of the file system of the container.
 * @throws Error that names a missing ConfigMap or key of a Secret.
 */
export function environmentOf(
  pod: PodManifest,
  manifests: readonly Manifest[],
  secrets: ReadonlyMap<string, string>,
  folder: string,
): ContainerEnvironment {
  const [container] = pod.containers;
  if (container === undefined) throw new Error('there is no container');
  const secret = (name: string, key: string): string => {
    const value = secrets.get(`${name}/${key}`);
    if (value === undefined) throw new Error(`there is no example of Secret ${name}, key ${key}`);
    return value;
  };
  const environment: Record<string, string> = {};
  for (const { configMapRef } of container.envFrom) {
    const found = manifests.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef.name,
    );
    if (found === undefined) throw new Error(`there is no ConfigMap ${configMapRef.name}`);
    Object.assign(environment, configMapSchema.parse(found).data);
  }
  for (const variable of container.env) {
    if ('value' in variable) environment[variable.name] = variable.value;
    else {
      const { name, key } = variable.valueFrom.secretKeyRef;
      environment[variable.name] = secret(name, key);
    }
  }
  for (const volume of pod.volumes) {
    const mount = container.volumeMounts.find(({ name }) => name === volume.name);
    if (mount === undefined) throw new Error(`nothing mounts the volume ${volume.name}`);
    const inside = join(folder, mount.mountPath);
    mkdirSync(inside, { recursive: true });
    if (!('projected' in volume)) continue;
    for (const { secret: source } of volume.projected.sources) {
      for (const { key, path } of source.items) {
        if (source.optional && !secrets.has(`${source.name}/${key}`)) continue;
        writeFileSync(join(inside, path), secret(source.name, key));
      }
    }
  }
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      /_FILE$/.test(name) ? join(folder, value) : value,
    ]),
  );
}

/**
 * Returns the variables without which a service does not start, or finds nothing beyond its
 * developer's machine.
 *
 * These are the variables without a default, and those whose default is this machine. A URL stands
 * for the host and port that it overrides.
 */
export function neededVariables(schema: z.ZodObject): string[] {
  return Object.entries(schema.shape)
    .filter(([, field]) => {
      const absent = z.instanceof(z.ZodType).parse(field).safeParse(undefined);
      return !absent.success || /127\.0\.0\.1|localhost/.test(inspect(absent.data));
    })
    .map(([name]) => (name === 'REDIS_HOST' ? 'REDIS_URL' : name));
}
