import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  kafkaRights,
  topicNames,
  topicsOfService,
  type KafkaOperation,
  type KafkaRight,
} from '@bulk/contracts';
import { createKafka, ensureTopics, kafkaConfigSchema } from '@bulk/kafka';
import { workspaceRoot } from '@bulk/local-stack';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { BreakableLink, checkAccounting, eventually, testUrls } from '@bulk/testing';
import { openDesk } from '@bulk/tools/dlq';
import { launchArguments, type ServiceName, ServiceProcess, SERVICES } from '@bulk/tools';
import { InstallationUnderTest, scenario } from './installation-under-test.ts';
import { grantKafkaRights, revokeKafkaRights } from './kafka-acls.ts';
import { asUser, AS_USERS, installAsUser } from './least-privilege.ts';
import { kafkaUserName, PASSWORDS, SecureParts, SENTINEL_NAME, USER } from './secure-parts.ts';

const SIZE = 300;
const WRONG = 'wrong-f31e&mark';
const SECRETS = {
  JWT_SECRET: 'jwt-secret-68b0-mark-0123456789abcdef',
  WEBHOOK_SECRET: 'webhook-secret-2f77-mark-0123456789',
};
/** Lifetime of OAuth tokens for Kafka. kafkajs renews a session 10 s before its end. */
const TOKEN_SECONDS = 12;
/** Each secret as it is, and as it stands in a URL. */
const MARKS = [...Object.values(PASSWORDS), ...Object.values(SECRETS), WRONG].flatMap((secret) => [
  secret,
  encodeURIComponent(secret),
]);

let parts: SecureParts;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'secure-'));
  parts = await SecureParts.start(testUrls().SCHEMA_REGISTRY_URL);
}, 300_000);
afterAll(async () => {
  await parts.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Builds an environment with credentials in every way: within URLs, in variables, in files. */
function environment(
  passwords: Readonly<Record<keyof typeof PASSWORDS, string>>,
  ports = { mongodb: parts.port('mongodb'), redis: parts.port('redis') },
): Record<string, string> {
  const inUrl = (password: string): string => `${USER}:${encodeURIComponent(password)}@127.0.0.1`;
  const { pathname } = new URL(testUrls().SCHEMA_REGISTRY_URL);
  const passwordFile = join(folder, `redis-${encodeURIComponent(passwords.redis)}`);
  writeFileSync(passwordFile, `${passwords.redis}\n`);
  return {
    KAFKA_BROKERS: `127.0.0.1:${parts.port('kafka')}`,
    KAFKA_TLS: 'true',
    KAFKA_TLS_CA_FILE: parts.caFile,
    KAFKA_SASL_MECHANISM: 'scram-sha-512',
    KAFKA_SASL_USERNAME: USER,
    KAFKA_SASL_PASSWORD: passwords.kafka,
    SCHEMA_REGISTRY_URL: `https://${inUrl(passwords.registry)}:${parts.gatewayPort}${pathname}`,
    SCHEMA_REGISTRY_CA_FILE: parts.caFile,
    MONGODB_URI: `mongodb://${inUrl(passwords.mongodb)}:${ports.mongodb}/?directConnection=true`,
    MONGODB_TLS: 'true',
    MONGODB_TLS_CA_FILE: parts.caFile,
    REDIS_URL: `rediss://127.0.0.1:${ports.redis}`,
    REDIS_USERNAME: USER,
    REDIS_PASSWORD_FILE: passwordFile,
    REDIS_TLS_CA_FILE: parts.caFile,
    WEBHOOK_SECRET: SECRETS.WEBHOOK_SECRET,
    LOG_LEVEL: 'trace',
  };
}

/** Returns the secrets that a text reveals. */
function secretsIn(text: string): string[] {
  return MARKS.filter((mark) => text.includes(mark));
}

const WHAT_IS_WRONG: readonly {
  kind: keyof typeof PASSWORDS;
  dependency: string;
  who: readonly ServiceName[];
}[] = [
  { kind: 'kafka', dependency: 'kafka', who: SERVICES },
  { kind: 'registry', dependency: 'schema registry', who: SERVICES },
  { kind: 'mongodb', dependency: 'mongodb', who: SERVICES },
  { kind: 'redis', dependency: 'redis', who: ['handler'] },
];

describe('a wrong password', () => {
  it.each(WHAT_IS_WRONG)(
    'of $kind is reported by /readyz and revealed by nothing',
    async ({ kind, dependency, who }) => {
      const env = {
        ...environment({ ...PASSWORDS, [kind]: WRONG }),
        TOPIC_PREFIX: `wrong-${kind}.`,
        MONGODB_DATABASE: `wrong-${kind}`,
      };
      for (const name of who) {
        const log = join(folder, `${kind}-${name}.log`);
        const adminPort = parts.port('admin');
        const service = await ServiceProcess.spawn({
          name,
          args: launchArguments(name, 'built'),
          cwd: workspaceRoot,
          env: {
            PATH: process.env['PATH'],
            ...env,
            ...jwtOf(name),
            PORT: '0',
            ADMIN_PORT: String(adminPort),
          },
          adminPort,
          output: { kind: 'file', path: log },
        });
        try {
          const report = await eventually(
            `${name} says what it waits for`,
            async () => {
              const text = await (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).text();
              return new RegExp(
                `"${dependency}":\\{"state":"waiting","reason":"[^"]*(auth|password|WRONGPASS)`,
                'i',
              ).test(text)
                ? text
                : undefined;
            },
            { timeoutMs: 30_000 },
          );
          const metrics = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text();
          expect([name, secretsIn(`${report}${metrics}`)]).toEqual([name, []]);
        } finally {
          await service.stop();
        }
        const said = readFileSync(log, 'utf8');
        expect(said).toContain('Dependency unavailable at start; waiting');
        expect([name, secretsIn(said)]).toEqual([name, []]);
      }
    },
    180_000,
  );

  it('that a URL cannot contain stops the start and is revealed by nothing', async () => {
    const log = join(folder, 'malformed.log');
    const env = {
      ...environment(PASSWORDS),
      MONGODB_URI: `mongodb://${USER}:${PASSWORDS.mongodb}/x@host:port/`,
    };
    const service = await ServiceProcess.spawn({
      name: 'handler',
      args: launchArguments('handler', 'built'),
      cwd: workspaceRoot,
      env: { PATH: process.env['PATH'], ...env, ADMIN_PORT: '0' },
      adminPort: 0,
      output: { kind: 'file', path: log },
    });
    expect(await service.exited).toEqual({ code: 78, signal: null });
    expect(readFileSync(log, 'utf8')).toContain('MONGODB_URI: expected');
    expect(secretsIn(readFileSync(log, 'utf8'))).toEqual([]);
  });
});

/** Carries an action out, and expects that it completes with counts and logs that agree. */
async function expectAction(system: InstallationUnderTest, mark: string): Promise<void> {
  const { before, entities } = scenario(SIZE, mark);
  await system.givenContacts(before);
  const client = system.client();
  const { actionId } = await client.createAction({ actionType: 'update', entities: [...entities] });
  const done = await client.waitForCompletion(actionId, { timeoutMs: 60_000 });
  client.close();
  expect(done).toMatchObject({ status: 'completed', processed: SIZE });
  expect((await checkAccounting(system.database, actionId)).breaches).toEqual([]);
}

describe('an installation with authentication everywhere', () => {
  it('completes an action and reveals no secret, whatever fails', async () => {
    const mongodb = await BreakableLink.to('127.0.0.1', parts.port('mongodb'));
    const redis = await BreakableLink.to('127.0.0.1', parts.port('redis'));
    const ports = { mongodb: mongodb.port, redis: redis.port };
    const env = { ...environment(PASSWORDS, ports), MONGODB_TIMEOUT_MS: '5000' };
    const system = await InstallationUnderTest.start({}, {}, env);
    let texts = '';
    try {
      await expectAction(system, 'secure');
      // The tools connect in the same way.
      const { desk } = await openDesk(system.installation.env, system.database);
      await desk.list({}, false, (listed) => expect(listed).toEqual([]));

      const ask = async (url: string, init: RequestInit = {}): Promise<number> => {
        const response = await fetch(url, {
          ...init,
          headers: { 'x-account-id': 'acme', 'content-type': 'application/json' },
        });
        texts += await response.text();
        return response.status;
      };
      const actions = `${system.services.intakeUrl}/bulk-actions`;
      expect(await ask(actions, { method: 'POST', body: '{' })).toBe(400);
      expect(await ask(`${actions}/${crypto.randomUUID()}`)).toBe(404);
      redis.break();
      mongodb.break();
      expect(await ask(actions)).toBe(503);
      for (const { launch } of system.services.members) {
        const admin = `http://127.0.0.1:${launch.adminPort}`;
        await eventually(`${launch.name} reports it`, async () => (await ask(`${admin}/healthz`)) === 503);
        await ask(`${admin}/readyz`);
        await ask(`${admin}/metrics`);
      }
    } finally {
      mongodb.restore();
      redis.restore();
      await system.dispose();
      await mongodb.close();
      await redis.close();
    }
    const logs = join(workspaceRoot, '.stack', 'e2e', system.installation.env['MONGODB_DATABASE'] ?? '');
    const files = readdirSync(logs);
    expect(files).toHaveLength(SERVICES.length);
    for (const file of files) texts += readFileSync(join(logs, file), 'utf8');
    expect(texts).toContain('Dependency unavailable');
    expect(secretsIn(texts)).toEqual([]);
  }, 240_000);
});

describe('a broker that takes OAuth tokens', () => {
  it('is used beyond the lifetime of a token', async () => {
    let tokens = 0;
    const endpoint = createServer((_, response) => {
      tokens += 1;
      response.end(
        JSON.stringify({ access_token: unsignedToken(), token_type: 'Bearer', expires_in: TOKEN_SECONDS }),
      );
    });
    await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
    const config = loadConfig(kafkaConfigSchema, {
      KAFKA_BROKERS: `127.0.0.1:${parts.port('oauth')}`,
      KAFKA_SASL_MECHANISM: 'oauthbearer',
      KAFKA_SASL_TOKEN_URL: `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/token`,
      KAFKA_SASL_CLIENT_ID: USER,
      KAFKA_SASL_CLIENT_SECRET: SECRETS.JWT_SECRET,
    });
    const kafka = createKafka('oauth', config, silentLogger());
    const topic = `oauth-${crypto.randomUUID()}`;
    const [admin, producer, consumer] = [kafka.admin(), kafka.producer(), kafka.consumer({ groupId: topic })];
    const received = new Set<string>();
    const crashes: string[] = [];
    let sent = 0;
    let tokensAtFirst = Infinity;
    try {
      await admin.connect();
      await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] });
      await producer.connect();
      consumer.on(consumer.events.CRASH, ({ payload }) => void crashes.push(payload.error.message));
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        eachMessage: ({ message }) => {
          received.add(String(message.value));
          return Promise.resolve();
        },
      });
      const end = performance.now() + (TOKEN_SECONDS + 2) * 1_000;
      await eventually(
        'the lifetime of the first token has passed',
        async () => {
          await producer.send({ topic, messages: [{ value: String(sent) }] });
          sent += 1;
          // By then every connection has authenticated for the first time.
          if (received.size > 0) tokensAtFirst = Math.min(tokensAtFirst, tokens);
          return performance.now() > end;
        },
        { everyMs: 200 },
      );
      await eventually('every message arrives', () => received.size === sent);
    } finally {
      await Promise.allSettled([admin, producer, consumer].map((client) => client.disconnect()));
      endpoint.closeAllConnections();
      await new Promise((resolve) => endpoint.close(resolve));
    }
    expect(crashes).toEqual([]);
    expect(tokens).toBeGreaterThan(tokensAtFirst);
  }, 60_000);
});

describe('an installation in which each Kafka user has the documented rights only', () => {
  let system: InstallationUnderTest;
  let prefix: string;
  beforeAll(async () => {
    const all = environment(PASSWORDS);
    // A sentinel names the Redis, over TLS and with a password of its own.
    const sentinel = {
      REDIS_URL: '',
      REDIS_TLS: 'true',
      REDIS_SENTINELS: `127.0.0.1:${parts.port('sentinel')}`,
      REDIS_SENTINEL_NAME: SENTINEL_NAME,
      REDIS_SENTINEL_USERNAME: USER,
      REDIS_SENTINEL_PASSWORD_FILE: all['REDIS_PASSWORD_FILE'] ?? '',
      REDIS_WAIT_REPLICAS: '0',
    };
    const env = { ...all, ...sentinel, LOG_LEVEL: 'info' };
    system = await InstallationUnderTest.start({}, {}, env, AS_USERS, installAsUser);
    prefix = system.installation.env['TOPIC_PREFIX'] ?? '';
  }, 120_000);
  afterAll(() => system.dispose());

  it('completes an action, and its dead letters can be listed', async () => {
    await expectAction(system, 'rights');
    const { topics } = system.installation;
    const producer = system.installation.kafka.producer();
    await producer.connect();
    await producer.send({ topic: topics.entityBatches.high, messages: [{ value: 'not a batch' }] });
    await producer.disconnect();
    const { desk } = await openDesk({ ...system.installation.env, ...asUser('dlq') }, system.database);
    await eventually('the dead letter is listed', async () => {
      let count = 0;
      await desk.list({}, false, (listed) => void (count += listed.length));
      return count === 1;
    });
  }, 90_000);

  it('names the right on the topic or group that a service lacks, and starts once it is granted', async () => {
    const rights: readonly [ServiceName, KafkaRight][] = [
      ['handler', onTopic(`${prefix}results`, 'Write')],
      ['stats-aggregator', onGroup(`${prefix}stats-aggregator`, 'Read')],
    ];
    const { kafka } = system.installation;
    await Promise.all(
      rights.map(async ([service, right]) => {
        await revokeKafkaRights(kafka, kafkaUserName(service), [right]);
        const { launch } = await system.services.relaunch(service);
        const [operation = ''] = right.operations;
        const text = `the Kafka user lacks ${operation} on ${right.resource} ${right.name}`;
        await eventually(`${service} says what it lacks`, async () => {
          const health = await fetch(`http://127.0.0.1:${launch.adminPort}/healthz`).then(
            (answer) => answer.text(),
            () => '',
          );
          return health.includes(text);
        });
        await grantKafkaRights(kafka, kafkaUserName(service), [right]);
        await system.services.member(service).waitUntilReady(30_000);
      }),
    );
  }, 90_000);

  it('names a topic that is missing, and the right to create it', async () => {
    const { env, kafka } = system.installation;
    const other = `other-${prefix}`;
    await grantKafkaRights(kafka, kafkaUserName('handler'), kafkaRights('handler', other));
    const config = loadConfig(kafkaConfigSchema, { ...env, ...asUser('handler'), TOPIC_PREFIX: other });
    const own = topicsOfService(topicNames(other), 'handler');
    const client = createKafka('rights', config, silentLogger());
    await eventually('the error names both', async () => {
      await expect(ensureTopics(client, own, config)).rejects.toThrow(
        `missing topics: ${own.map(({ name }) => name).join(', ')}; the Kafka user lacks Create on them`,
      );
      return true;
    });
  });
});

function onTopic(name: string, operation: KafkaOperation): KafkaRight {
  return { resource: 'topic', name, pattern: 'literal', operations: [operation] };
}

function onGroup(name: string, operation: KafkaOperation): KafkaRight {
  return { resource: 'group', name, pattern: 'literal', operations: [operation] };
}

/** Builds a token (JWS) without a signature, for `USER`. */
function unsignedToken(): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1_000);
  return `${part({ alg: 'none' })}.${part({ sub: USER, iat: now, exp: now + TOKEN_SECONDS })}.`;
}

/** Builds the settings of the services that clients reach: these check tokens. */
function jwtOf(name: ServiceName): Record<string, string> {
  return name === 'intake' || name === 'notifier' ? { AUTH_MODE: 'jwt', JWT_SECRET: SECRETS.JWT_SECRET } : {};
}
