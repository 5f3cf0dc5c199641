import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { kafkaConfigShape } from '@bulk/kafka';
import { workspaceRoot } from '@bulk/local-stack';
import { mongoConfigShape } from '@bulk/mongo';
import { redisConfigShape } from '@bulk/redis';
import { loadConfig } from '@bulk/runtime';
import { parse } from 'yaml';
import { z } from 'zod';
import { IMAGE_USER, imageReference } from '../../operator/images/images.ts';
import { SERVICES } from '../../processes/services.ts';
import { configSchema, CONFIGURED, imageOf, neededVariables } from './environment.ts';

const condition = z.enum(['service_healthy', 'service_completed_successfully']);
/** Exactly the keys of a Compose file that the repository uses. Any other key is a mistake. */
const serviceSchema = z.strictObject({
  image: z.string(),
  build: z.strictObject({ context: z.string(), dockerfile: z.string(), target: z.string() }).optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).default({}),
  profiles: z.array(z.enum(['seed', 'ops', 'observability'])).optional(),
  // Without an address, every host of the network could reach a port.
  ports: z.array(z.string().regex(/^127\.0\.0\.1:\$\{[A-Z]+_PORT:-\d+\}:\d+$/)).optional(),
  volumes: z.array(z.string().regex(/^([a-z]+:\/\S+|\.\/\S+:\/\S+:ro)$/)).default([]),
  user: z.string().optional(),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
  init: z.boolean().optional(),
  restart: z.enum(['no', 'unless-stopped']),
  stop_grace_period: z
    .string()
    .regex(/^\d+s$/)
    .optional(),
  depends_on: z.record(z.string(), z.strictObject({ condition })).default({}),
  healthcheck: z
    .strictObject({
      test: z.array(z.string()).min(2),
      // Each check starts a process.
      interval: z.literal('30s'),
      timeout: z.string(),
      retries: z.number(),
      start_period: z.string(),
      start_interval: z.literal('2s'),
    })
    .optional(),
});
const composeSchema = z.strictObject({
  name: z.string(),
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.null()),
});

function withoutPorts(environment: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/^(ADMIN_)?PORT$/.test(name)));
}

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
    const inProfiles = Object.entries(services).filter(([, { profiles }]) => profiles !== undefined);
    expect(inProfiles.map(([name]) => name)).toEqual(['seed', 'ops', 'prometheus', 'grafana']);
    const always = Object.keys(services).filter((name) => services[name]!.profiles === undefined);
    expect(always.sort()).toEqual([...parts, ...CONFIGURED].sort());
    // After a restart of the machine, everything that stays up comes back.
    const once = Object.keys(services).filter((name) => services[name]!.restart === 'no');
    expect(once).toEqual(['installer', 'seed', 'ops']);
    for (const { image } of Object.values(services)) expect(image).toMatch(/^[\w./-]+:(?!latest$)[\w.-]+$/);
  });

  it('waits only for services that exist, and for health only where a health check is declared', () => {
    for (const { depends_on } of Object.values(services)) {
      for (const [other, wish] of Object.entries(depends_on)) {
        expect(Object.keys(services)).toContain(other);
        expect(services[other]?.healthcheck !== undefined).toBe(wish.condition === 'service_healthy');
      }
    }
    const used = Object.values(services).flatMap((each) => each.volumes.map((text) => text.split(':')[0]!));
    expect(Object.keys(volumes).sort()).toEqual(used.filter((name) => !name.startsWith('.')).sort());
    for (const path of used.filter((name) => name.startsWith('.')))
      expect(existsSync(join(folder, path))).toBe(true);
  });

  it('gives seed and the commands of an operator what the services have', () => {
    const config = z.object({ ...kafkaConfigShape, ...mongoConfigShape, ...redisConfigShape });
    for (const name of ['seed', 'ops']) {
      const { environment, image, user, read_only, depends_on } = services[name]!;
      expect(environment).toEqual(withoutPorts(services['intake']!.environment));
      expect(() => loadConfig(config, environment)).not.toThrow();
      expect({ image, user, read_only }).toEqual({
        image: imageReference('ops', 'dev'),
        user: IMAGE_USER,
        read_only: true,
      });
      expect(depends_on).toHaveProperty('installer.condition', 'service_completed_successfully');
    }
  });

  it('scrapes every service, and provisions the rules and the dashboard', () => {
    const file = (path: string): string => readFileSync(join(folder, 'observability', path), 'utf8');
    const ports = SERVICES.map((name) => `${name}:${services[name]!.environment['ADMIN_PORT']}`);
    expect(parse(file('compose/prometheus.yml'))).toMatchObject({
      rule_files: ['alerts.yml'],
      scrape_configs: [{ static_configs: [{ targets: ports }] }],
    });
    const target = 'http://prometheus:9090';
    expect(parse(file('compose/datasource.yml'))).toMatchObject({ datasources: [{ url: target }] });
    const [provider] = z
      .object({ providers: z.array(z.object({ options: z.object({ path: z.string() }) })) })
      .parse(parse(file('compose/dashboards.yml'))).providers;
    expect(services['grafana']!.volumes).toContain(
      `./observability/dashboard.json:${provider!.options.path}/dashboard.json:ro`,
    );
    expect(services['prometheus']!.volumes).toContain(
      './observability/alerts.yml:/etc/prometheus/alerts.yml:ro',
    );
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
      expect(ADMIN_PORT).toBeDefined();
      expect(service.healthcheck?.test.slice(0, 3)).toEqual(['CMD', 'node', '-e']);
      expect(service.healthcheck?.test[3]).toContain("process.env.ADMIN_PORT + '/readyz'");
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
