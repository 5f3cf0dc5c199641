import { beforeAll, describe, expect, it } from '@jest/globals';
import { topicPlans } from '@bulk/kafka';
import { topicNames } from '@bulk/contracts';
import { workspaceRoot } from '@bulk/local-stack';
import { join } from 'node:path';
import { z } from 'zod';
import { configSchema, CONFIGURED } from '../../src/generators/manifests/environment.ts';
import {
  configMapSchema,
  kafkaTopicSchema,
  kafkaUserSchema,
  scaledObjectSchema,
  triggerAuthenticationSchema,
} from '../../src/generators/manifests/manifest.ts';
import { OVERLAYS, render } from '../../src/generators/manifests/render.ts';
import { context, PROVISIONING_MS, RenderedOverlay, secrets } from './overlay.ts';

const KAFKA_NAMESPACE = 'kafka';
const overlays = new Map<string, RenderedOverlay>();
beforeAll(async () => {
  for (const name of OVERLAYS) overlays.set(name, await RenderedOverlay.of(name));
}, PROVISIONING_MS);

/** The services that Kubernetes scales on lag → the groups and topics that they consume. */
function watchedBy(overlay: RenderedOverlay): Map<string, { group: string; topic: string }[]> {
  const { TOPIC_PREFIX } = overlay.kafka();
  const expected = new Map<string, { group: string; topic: string }[]>();
  for (const { name: topic, member, consumers } of overlay.topics()) {
    for (const [service, { group, scaled }] of Object.entries(consumers)) {
      if (!scaled || group === 'per-process') continue;
      const watched = { group: `${TOPIC_PREFIX}${group(member ?? '')}`, topic };
      expected.set(service, [...(expected.get(service) ?? []), watched]);
    }
  }
  return expected;
}

describe.each(OVERLAYS)('Kafka in the overlay %s', (name) => {
  let overlay: RenderedOverlay;
  beforeAll(() => {
    overlay = overlays.get(name)!;
  });

  it('has every topic as the services would create it', () => {
    const config = overlay.kafka();
    const topics = overlay.all('KafkaTopic').map((each) => kafkaTopicSchema.parse(each));
    const described = topics.map(({ metadata, spec: { partitions, replicas, config: entries } }) => ({
      topic: metadata.name,
      partitions,
      replicas,
      config: Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, String(value)])),
    }));
    const byName = (a: { topic: string }, b: { topic: string }): number => (a.topic < b.topic ? -1 : 1);
    const plans = topicPlans(topicNames(config.TOPIC_PREFIX), config);
    expect(described.sort(byName)).toEqual(plans.sort(byName));
    expect(topics.every(({ metadata }) => metadata.namespace === KAFKA_NAMESPACE)).toBe(true);
    const port = name === 'prod' ? 9093 : 9092;
    for (const broker of config.KAFKA_BROKERS)
      expect(broker).toMatch(new RegExp(`\\.${KAFKA_NAMESPACE}\\.svc:${port}$`));
  });

  it('keeps its topics when the services are removed or pruned', async () => {
    const folder = join(workspaceRoot, 'deploy', 'k8s', 'overlays', name);
    const { manifests } = await render([folder], context);
    expect(manifests.filter(({ kind }) => kind === 'KafkaTopic')).toEqual([]);

    const kept = {
      'argocd.argoproj.io/sync-options': 'Prune=false,Delete=false',
      'kustomize.toolkit.fluxcd.io/prune': 'disabled',
    };
    for (const each of [...overlay.all('KafkaTopic'), ...overlay.all('Namespace')])
      expect(each.metadata['annotations']).toEqual(kept);

    const [policy] = overlay.all('ValidatingAdmissionPolicy');
    const [binding] = overlay.all('ValidatingAdmissionPolicyBinding');
    expect(policy?.['spec']).toMatchObject({
      failurePolicy: 'Fail',
      matchConstraints: {
        objectSelector: { matchLabels: { 'app.kubernetes.io/part-of': 'bulk-action-platform' } },
        resourceRules: [{ operations: ['UPDATE', 'DELETE'], resources: ['kafkatopics'] }],
      },
    });
    expect(binding?.['spec']).toEqual({ policyName: policy?.metadata.name, validationActions: ['Deny'] });
    const fixed = overlay
      .topics()
      .filter(({ partitionsFixed }) => partitionsFixed)
      .map((topic) => topic.name);
    const labelled = overlay
      .all('KafkaTopic')
      .filter(({ metadata }) => metadata.labels?.['bulk-partitions-fixed'] === 'true');
    expect(labelled.map(({ metadata }) => metadata.name)).toEqual(expect.arrayContaining(fixed));
    expect(labelled).toHaveLength(fixed.length);
    for (const { metadata } of overlay.all('KafkaTopic'))
      expect(metadata.labels?.['app.kubernetes.io/part-of']).toBe('bulk-action-platform');
  });

  it('scales services on the lag of their groups, up to the partitions of one lane', async () => {
    const expected = watchedBy(overlay);
    const partitions = new Map(
      topicPlans(topicNames(overlay.kafka().TOPIC_PREFIX), overlay.kafka()).map((plan) => [
        plan.topic,
        plan.partitions,
      ]),
    );
    const scaled = overlay.all('ScaledObject');
    expect(scaled.map(({ metadata }) => metadata.name).sort()).toEqual([...expected.keys()].sort());
    for (const [service, watched] of expected) {
      const { spec } = scaledObjectSchema.parse(overlay.named('ScaledObject', service));
      const triggers = spec.triggers.filter((trigger) => trigger.type === 'kafka');
      const metadata = triggers.map((trigger) => trigger.metadata);
      expect(spec.scaleTargetRef).toEqual({ name: service });
      expect(metadata.map(({ consumerGroup: group, topic }) => ({ group, topic }))).toEqual(watched);
      // Each of several triggers has this limit: an autoscaler takes their maximum or their sum, never more partitions.
      const fewest = Math.min(...watched.map(({ topic }) => partitions.get(topic)!));
      expect(spec.maxReplicaCount).toBeLessThanOrEqual(fewest);
      expect(spec.minReplicaCount).toBeLessThanOrEqual(spec.maxReplicaCount);
      expect(spec.fallback.replicas).toBeLessThanOrEqual(spec.maxReplicaCount);
    }

    const { spec } = scaledObjectSchema.parse(overlay.named('ScaledObject', 'handler'));
    const handler = await configSchema('handler');
    const { PARTITION_CONCURRENCY } = z
      .looseObject({ PARTITION_CONCURRENCY: z.number() })
      .parse(overlay.config('handler', handler).config);
    expect(spec.advanced.scalingModifiers).toEqual({
      formula: spec.triggers.flatMap((each) => (each.type === 'kafka' ? [each.name] : [])).join(' + '),
      target: String(PARTITION_CONCURRENCY),
      metricType: 'AverageValue',
    });
    for (const each of spec.triggers)
      if (each.type === 'kafka') expect(each.metadata.lagThreshold).toBe(String(PARTITION_CONCURRENCY));
    // Two partitions of a lane for each handler: docs/operations/sizing.md.
    if (name === 'prod')
      expect(spec.maxReplicaCount * 2).toBeLessThanOrEqual(overlay.kafka().KAFKA_LANE_PARTITIONS);
  });
});

describe('Kafka in prod', () => {
  let prod: RenderedOverlay;
  beforeAll(() => {
    prod = overlays.get('prod')!;
  });

  it('has the user of each service, whose rights are below the prefix of the installation', () => {
    const { TOPIC_PREFIX } = prod.kafka();
    const users = prod.all('KafkaUser').map((each) => kafkaUserSchema.parse(each));
    const names = users.map(({ metadata }) => metadata.name);
    const used = [...CONFIGURED, 'ops' as const].map(
      (service) => prod.environment(service)['KAFKA_SASL_USERNAME'],
    );
    expect(names).toEqual(expect.arrayContaining(used));
    expect(names.filter((each) => !used.includes(each)).sort()).toEqual(['bulk-keda']);
    for (const { metadata, spec } of users) {
      expect(metadata.namespace).toBe(KAFKA_NAMESPACE);
      for (const { resource } of spec.authorization.acls)
        expect(resource.name.startsWith(TOPIC_PREFIX)).toBe(true);
    }
  });

  it('gives each service the right to produce to and consume its topics, and no other topic', () => {
    for (const service of ['intake', 'handler', 'stats-aggregator', 'notifier'] as const) {
      const { acls } = kafkaUserSchema.parse(prod.named('KafkaUser', `bulk-${service}`)).spec.authorization;
      const may = (operation: 'Read' | 'Write', topic: string): boolean =>
        acls.some(
          ({ resource: { type, name, patternType }, operations }) =>
            type === 'topic' &&
            operations.includes(operation) &&
            (patternType === 'prefix' ? topic.startsWith(name) : topic === name),
        );
      const topics = prod.topics();
      expect(topics.filter(({ name }) => may('Write', name)).map(({ name }) => name)).toEqual(
        topics.filter(({ producers }) => producers.includes(service)).map(({ name }) => name),
      );
      expect(topics.filter(({ name }) => may('Read', name)).map(({ name }) => name)).toEqual(
        topics.filter(({ consumers }) => consumers[service] !== undefined).map(({ name }) => name),
      );
    }
  });

  it('lets KEDA read the lag as a user of its own', () => {
    const { spec } = triggerAuthenticationSchema.parse(prod.named('TriggerAuthentication', 'kafka'));
    const given = new Map<string, string | undefined>([
      ...spec.configMapTargetRef.map(
        ({ parameter, name, key }) =>
          [parameter, configMapSchema.parse(prod.named('ConfigMap', name)).data[key]] as const,
      ),
      ...spec.secretTargetRef.map(
        ({ parameter, name, key }) => [parameter, secrets.get(`${name}/${key}`)] as const,
      ),
    ]);
    expect(Object.fromEntries(given)).toEqual({
      sasl: 'scram_sha512',
      tls: 'enable',
      username: 'bulk-keda',
      ca: secrets.get('bulk-cluster-ca-cert/ca.crt'),
      password: secrets.get('bulk-keda/password'),
    });
    for (const each of prod.all('ScaledObject'))
      for (const trigger of scaledObjectSchema.parse(each).spec.triggers)
        if (trigger.type === 'kafka') expect(trigger.authenticationRef).toEqual({ name: 'kafka' });
    const { acls } = kafkaUserSchema.parse(prod.named('KafkaUser', 'bulk-keda')).spec.authorization;
    expect(new Set(acls.flatMap(({ operations }) => operations))).toEqual(new Set(['Describe']));
  });
});

it('dev and prod share no topic, group, key, database or name in a cluster', () => {
  const namesOf = (overlay: RenderedOverlay): string[] => [
    ...overlay.rendered.manifests.map(
      ({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`,
    ),
    ...overlay
      .all('ScaledObject')
      .flatMap((each) => scaledObjectSchema.parse(each).spec.triggers)
      .flatMap((each) => (each.type === 'kafka' ? [`group ${each.metadata.consumerGroup}`] : [])),
    ...['TOPIC_PREFIX', 'REDIS_PREFIX', 'MONGODB_DATABASE'].map(
      (variable) => `${variable} ${overlay.environment('intake')[variable]}`,
    ),
  ];
  const dev = new Set(namesOf(overlays.get('dev')!));
  expect(namesOf(overlays.get('prod')!).filter((each) => dev.has(each))).toEqual([]);
});
