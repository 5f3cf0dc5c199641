import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseEnv } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { provideCustomResources, provideKubernetesValidate, run } from '@bulk/local-stack';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { noteSkipped } from '../../src/checks/skipped.ts';
import { CustomResources } from '../../src/generators/manifests/custom-resources.ts';
import {
  configMapSchema,
  kafkaTopicSchema,
  kafkaUserSchema,
  scaledObjectSchema,
  triggerAuthenticationSchema,
} from '../../src/generators/manifests/manifest.ts';
import { parseManifests, render, type Rendered } from '../../src/generators/manifests/render.ts';
import { IMAGES } from '../../src/operator/images/images.ts';
import { pinImages } from '../../src/operator/pin-images/pin-images.ts';
import { context, K8S, PROVISIONING_MS, RenderedOverlay, secrets } from './overlay.ts';

/** Kinds that operators define. Strimzi publishes its definitions nowhere that a package manager reaches. */
const DEFINED = ['ScaledObject', 'TriggerAuthentication', 'PodMonitor', 'PrometheusRule', 'HTTPRoute'];
const STRIMZI = ['KafkaTopic', 'KafkaUser'];

/** An overlay of a user, outside of the repository: every component, and settings of its own. */
const own = realpathSync(mkdtempSync(join(tmpdir(), 'bulk-overlay-')));
const MORE = {
  INSTALLATION: 'orders',
  // After a migration to more partitions.
  TOPICS: 'orders2',
  KAFKA_CLUSTER: 'events',
  KAFKA_BROKERS: 'events-kafka-bootstrap.kafka.svc:9093',
  API_HOST: 'orders.example.com',
  LIVE_HOST: 'live.orders.example.com',
  JWT_AUDIENCE: 'orders',
  INGRESS_CLASS: 'public',
  CLUSTER_ISSUER: 'acme',
  OTLP_ENDPOINT: 'http://collector.observability.svc:4318',
  OTLP_NAMESPACE: 'observability',
  OTLP_PORT: '4318',
  REDIS_URL: '',
  REDIS_SENTINELS: 'sentinel-0.redis.redis.svc,sentinel-1.redis.redis.svc',
  REDIS_SENTINEL_NAME: 'primary',
  REDIS_SENTINEL_PORT: '26380',
};
const PROD_PLATFORM = 'overlays/prod/platform/kustomization.yaml';
const DIGEST = `sha256:${'5'.repeat(64)}`;
const RELEASE = {
  registry: 'ghcr.io/acme/platform',
  version: '1.2.3',
  digests: new Map(IMAGES.map((name) => [name, DIGEST])),
};
interface Kustomization {
  readonly images: unknown;
  readonly replacements: unknown;
}
const COMPONENTS = [
  'settings',
  'jwt',
  'kafka-tls-scram',
  'schema-registry-tls',
  'mongodb-tls',
  'mongodb-backup',
  'redis-tls',
  'redis-sentinel',
  'webhooks',
  'gateway-api',
  'ingress',
  'acme-http01',
  'otlp',
  'prometheus-operator',
];

function writeOwnOverlay(): void {
  const from = (folder: string, path: string): string => relative(join(own, folder), join(K8S, path));
  const list = (entries: readonly string[]): string => entries.map((entry) => `  - ${entry}\n`).join('');
  const pinned = parse(pinImages(readFileSync(join(K8S, PROD_PLATFORM), 'utf8'), RELEASE)) as Kustomization;
  const folders = {
    services: { head: 'namespace: orders\n', resources: ['base'], components: COMPONENTS },
    topics: { head: '', resources: ['topics'], components: ['settings'] },
    users: { head: '', resources: ['users'], components: ['settings'] },
  };
  for (const [folder, { head, resources, components }] of Object.entries(folders)) {
    mkdirSync(join(own, folder));
    const included = ['../settings', ...resources.map((each) => from(folder, each))];
    const added = components.map((each) => from(folder, `components/${each}`));
    writeFileSync(
      join(own, folder, 'kustomization.yaml'),
      `${head}resources:\n${list(included)}components:\n${list(added)}`,
    );
  }
  // As prod has them once the release workflow has written the digests.
  const { images, replacements } = pinned;
  appendFileSync(join(own, 'services', 'kustomization.yaml'), stringify({ images, replacements }));
  mkdirSync(join(own, 'settings'));
  const prod = join(K8S, 'overlays/prod/settings');
  const settings = { ...parseEnv(readFileSync(join(prod, 'settings.env'), 'utf8')), ...MORE };
  writeFileSync(
    join(own, 'settings', 'settings.env'),
    Object.entries(settings)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  writeFileSync(
    join(own, 'settings', 'kustomization.yaml'),
    readFileSync(join(prod, 'kustomization.yaml'), 'utf8'),
  );
}

let rendered: Map<string, Rendered>;
beforeAll(async () => {
  writeOwnOverlay();
  rendered = new Map([
    ['dev', (await RenderedOverlay.of('dev')).rendered],
    ['prod', (await RenderedOverlay.of('prod')).rendered],
    [
      'own',
      await render(
        ['topics', 'users', 'services'].map((folder) => join(own, folder)),
        context,
      ),
    ],
  ]);
}, PROVISIONING_MS);
afterAll(() => rmSync(own, { recursive: true }));

describe.each(['dev', 'prod', 'own'])('the objects of the overlay %s', (name) => {
  it(
    'fit the schemas of Kubernetes, unknown fields refused',
    async () => {
      const { text, manifests } = rendered.get(name)!;
      const program = await provideKubernetesValidate(context);
      const file = join(own, `${name}.yaml`);
      writeFileSync(file, text);
      const { code, output } = await run(program, ['--strict', file], { env: process.env });
      expect({ code, output }).toMatchObject({ code: 0 });
      const custom = [...DEFINED, ...STRIMZI];
      expect(output.match(/passed for resource/g)).toHaveLength(
        manifests.filter(({ kind }) => !custom.includes(kind)).length,
      );
      // The next tests check the objects without a schema.
      for (const [, kind] of output.matchAll(/Couldn't find schema for kind (\w+)/g))
        expect(custom).toContain(kind);
    },
    PROVISIONING_MS,
  );

  it('fit what the definitions of KEDA and Strimzi leave open', () => {
    const { manifests } = rendered.get(name)!;
    const fit = (kind: string, schema: z.ZodType): number =>
      manifests.filter((each) => each.kind === kind).map((each) => schema.parse(each)).length;
    expect(fit('KafkaTopic', kafkaTopicSchema)).toBe(10);
    expect(fit('KafkaUser', kafkaUserSchema)).toBe(name === 'dev' ? 0 : 7);
    expect(fit('ScaledObject', scaledObjectSchema)).toBe(2);
    expect(fit('TriggerAuthentication', triggerAuthenticationSchema)).toBe(name === 'dev' ? 0 : 1);
  });

  it('have all placeholders replaced', () => {
    const names = new Set(Object.keys(parseEnv(readFileSync(join(own, 'settings/settings.env'), 'utf8'))));
    const remaining: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (typeof value === 'string') {
        const found = value
          // A variable of a script is no placeholder.
          .split(/[^A-Za-z_$]/)
          .some((word) => names.has(word) || /^(SERVICE|CLUSTER)$/.test(word));
        if (found || /\binstallation[.:-]/.test(value)) remaining.push(`${path}: ${value}`);
      } else if (typeof value === 'object' && value !== null)
        for (const [key, inner] of Object.entries(value)) visit(inner, `${path}.${key}`);
    };
    for (const each of rendered.get(name)!.manifests) {
      // Their texts name settings on purpose.
      if (each.kind === 'PrometheusRule' || each.metadata.name === 'bulk-dashboard')
        visit(each.metadata, each.kind);
      // KEDA reads this variable.
      else if (each.kind === 'ScaledObject') {
        for (const { type, metadata } of scaledObjectSchema.parse(each).spec.triggers)
          visit({ ...metadata, bootstrapServersFromEnv: undefined }, type);
      } else visit(each, `${each.kind} ${each.metadata.name}`);
    }
    expect(remaining).toEqual([]);
  });
});

it(
  'the objects of operators fit their definitions, unknown fields refused',
  async () => {
    let folder: string;
    try {
      folder = await provideCustomResources(context);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      noteSkipped({ name: 'objects of operators fit their definitions', reason });
      return;
    }
    const definitions = new CustomResources(folder);
    const found = new Set<string>();
    for (const { manifests } of rendered.values()) {
      for (const each of manifests.filter(({ kind }) => DEFINED.includes(kind))) {
        found.add(each.kind);
        expect({ name: each.metadata.name, faults: definitions.faultsOf(each) }).toEqual({
          name: each.metadata.name,
          faults: [],
        });
        // Without this the check could be one that accepts everything.
        expect(definitions.faultsOf({ ...each, spec: { unknown: 1 } })).not.toEqual([]);
      }
    }
    expect([...found].sort()).toEqual([...DEFINED].sort());
  },
  PROVISIONING_MS,
);

it('an overlay of its own has what its settings say, with no file of the repository changed', () => {
  const { manifests } = rendered.get('own')!;
  const platform = manifests.find(({ metadata }) => metadata.name.startsWith('bulk-platform-'));
  expect(configMapSchema.parse(platform).data).toMatchObject({
    TOPIC_PREFIX: 'orders2.',
    MONGODB_DATABASE: 'orders',
    OTEL_EXPORTER_OTLP_ENDPOINT: MORE.OTLP_ENDPOINT,
    TRACES_SAMPLE_PERCENT: '5',
  });
  for (const service of ['intake', 'handler', 'notifier', 'ops']) {
    const found = manifests.find(({ metadata }) =>
      new RegExp(`^${service}-[a-z0-9]{10}$`).test(metadata.name),
    );
    const { REDIS_URL, REDIS_SENTINELS, REDIS_SENTINEL_NAME } = MORE;
    expect(configMapSchema.parse(found).data).toMatchObject({
      REDIS_URL,
      REDIS_SENTINELS,
      REDIS_SENTINEL_NAME,
      REDIS_TLS: 'true',
    });
  }
  const text = JSON.stringify(
    manifests.filter(({ kind, metadata }) => kind !== 'PrometheusRule' && metadata.name !== 'bulk-dashboard'),
  );
  expect(text).toContain('"events-cluster-ca-cert"');
  expect(text).toContain('"orders-stats-aggregator"');
  expect(text).toContain('"ports":[{"port":6379},{"port":26380}]');
  // Names inside of the namespace are the same in every installation; names of Kafka are not.
  expect(text.match(/"bulk[.-](?!platform|accounts|action-platform|partitions|webhooks)[^"]*"/g)).toBeNull();
});

it('an overlay with digests runs exactly these images, and names the installer by the version alone', () => {
  const { manifests, text } = rendered.get('own')!;
  const jobs = manifests.filter(({ kind }) => kind === 'Job');
  expect(jobs.map(({ metadata }) => metadata.name)).toEqual(['installer-1.2.3']);
  expect(jobs[0]!.metadata.labels).toMatchObject({ 'app.kubernetes.io/version': '1.2.3' });
  const images = [...text.matchAll(/image: (\S*platform\S*)/g)].map(([, image]) => image);
  const expected = IMAGES.map((name) => `ghcr.io/acme/platform/${name}:1.2.3@${DIGEST}`);
  expect([...new Set(images)].sort()).toEqual(expected.sort());
});

describe('the examples of Secrets', () => {
  it('are exactly what prod needs', async () => {
    const prod = await RenderedOverlay.of('prod');
    const used = new Set<string>();
    const pods = [...prod.workloads.keys()].map((name) => prod.pod(name));
    for (const { containers, volumes } of [...pods, prod.ops().template.spec]) {
      for (const variable of containers[0]!.env)
        if ('valueFrom' in variable)
          used.add(`${variable.valueFrom.secretKeyRef.name}/${variable.valueFrom.secretKeyRef.key}`);
      for (const volume of volumes)
        if ('projected' in volume)
          for (const { secret } of volume.projected.sources.filter((source) => !source.secret.optional))
            for (const { key } of secret.items) used.add(`${secret.name}/${key}`);
    }
    for (const each of prod.all('TriggerAuthentication'))
      for (const { name, key } of triggerAuthenticationSchema.parse(each).spec.secretTargetRef)
        used.add(`${name}/${key}`);
    expect([...secrets.keys()].sort()).toEqual([...used].sort());
  });

  it('are the same for External Secrets', () => {
    const external = z.object({
      kind: z.literal('ExternalSecret'),
      metadata: z.object({ name: z.string() }),
      spec: z.object({
        data: z.array(z.object({ secretKey: z.string(), remoteRef: z.object({ key: z.string() }) })),
      }),
    });
    const objects = parseManifests(readFileSync(join(K8S, 'external-secrets.example.yaml'), 'utf8'));
    const keys = objects
      .filter(({ kind }) => kind === 'ExternalSecret')
      .map((each) => external.parse(each))
      .flatMap(({ metadata, spec }) => spec.data.map(({ secretKey }) => `${metadata.name}/${secretKey}`));
    expect(keys.sort()).toEqual([...secrets.keys()].sort());
    // The store of Strimzi's Secrets may read those, and no other.
    const role = z
      .object({ rules: z.array(z.object({ resourceNames: z.array(z.string()) })) })
      .parse(objects.find(({ kind }) => kind === 'Role'));
    const copied = objects
      .filter(({ kind, spec }) => kind === 'ExternalSecret' && JSON.stringify(spec).includes('"kafka"'))
      .map(({ metadata }) => metadata.name);
    expect(role.rules[0]!.resourceNames).toEqual(copied);
  });
});
