import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { loadConfig } from '@bulk/runtime';
import { parse } from 'yaml';
import { z } from 'zod';
import { IMAGE_USER, imageReference } from '../../operator/images/images.ts';
import { configSchema, CONFIGURED, imageOf, neededVariables } from './environment.ts';

const condition = z.enum(['service_healthy', 'service_completed_successfully']);
/** Exactly the keys of a Compose file that the repository uses. Any other key is a mistake. */
const serviceSchema = z.strictObject({
  image: z.string(),
  build: z.strictObject({ context: z.string(), dockerfile: z.string(), target: z.string() }).optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  // Without an address, every host of the network could reach a port.
  ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/)).optional(),
  volumes: z.array(z.string().regex(/^[a-z]+:\/\S+$/)).default([]),
  user: z.string().optional(),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  init: z.boolean().optional(),
  restart: z.enum(['no', 'unless-stopped']).optional(),
  stop_grace_period: z
    .string()
    .regex(/^\d+s$/)
    .optional(),
  depends_on: z.record(z.string(), z.strictObject({ condition })).default({}),
  healthcheck: z
    .strictObject({
      test: z.array(z.string()).min(2),
      interval: z.string(),
      timeout: z.string(),
      retries: z.number(),
      start_period: z.string(),
    })
    .optional(),
});
const composeSchema = z.strictObject({
  name: z.string(),
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.null()),
});

const folder = join(workspaceRoot, 'deploy');
const document = z
  .record(z.string(), z.unknown())
  .parse(parse(readFileSync(join(folder, 'compose.yaml'), 'utf8'), { merge: true }));
const { services, volumes } = composeSchema.parse(
  Object.fromEntries(Object.entries(document).filter(([key]) => !key.startsWith('x-'))),
);

describe('deploy/compose.yaml', () => {
  it('runs every service, with each image in a fixed version', () => {
    const parts = ['kafka', 'schema-registry', 'mongodb', 'redis'];
    expect(Object.keys(services).sort()).toEqual([...parts, ...CONFIGURED].sort());
    for (const { image } of Object.values(services)) expect(image).toMatch(/^[\w./-]+:(?!latest$)[\w.-]+$/);
  });

  it('waits only for services that exist, and for health only where a health check is declared', () => {
    for (const { depends_on } of Object.values(services)) {
      for (const [other, wish] of Object.entries(depends_on)) {
        expect(Object.keys(services)).toContain(other);
        expect(services[other]?.healthcheck !== undefined).toBe(wish.condition === 'service_healthy');
      }
    }
    const used = Object.values(services).flatMap((each) => each.volumes.map((text) => text.split(':')[0]));
    expect(Object.keys(volumes).sort()).toEqual(used.sort());
  });

  describe.each(CONFIGURED)('%s', (name) => {
    const service = services[name]!;

    it('has only variables that it reads, accepted values and all required settings', async () => {
      const schema = await configSchema(name);
      const given = service.environment;
      expect(Object.keys(given).filter((variable) => !(variable in schema.shape))).toEqual([]);
      expect(neededVariables(schema).filter((variable) => !(variable in given))).toEqual([]);
      const config = z.looseObject({
        SHUTDOWN_GRACE_MS: z.number().default(0),
        ADMIN_PORT: z.number().optional(),
      });
      const { SHUTDOWN_GRACE_MS, ADMIN_PORT } = config.parse(loadConfig(schema, given));
      if (name === 'installer') return;
      expect(Number.parseInt(service.stop_grace_period!, 10) * 1_000).toBeGreaterThan(SHUTDOWN_GRACE_MS);
      expect(service.healthcheck?.test.join(' ')).toContain(`:${ADMIN_PORT ?? 0}/readyz`);
    });

    it('is built from its target with the same restrictions as in Kubernetes', () => {
      expect(service.image).toBe(imageReference(imageOf(name), 'dev'));
      if (name === 'installer') expect(service.command).toEqual(['install']);
      expect(service.build).toEqual({
        context: '..',
        dockerfile: 'deploy/images/Dockerfile',
        target: imageOf(name),
      });
      expect(existsSync(join(folder, '..', service.build!.dockerfile))).toBe(true);
      expect(service).toMatchObject({
        user: IMAGE_USER,
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
    });
  });
});
