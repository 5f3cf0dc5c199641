import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { FAULT_KINDS, isRetryable, type DependencyError, type FaultKind } from '@bulk/domain';
import { KAFKA_TYPES, ProduceError, REGISTRY_STATUSES, RegistryUnavailableError } from '@bulk/kafka';
import { workspaceRoot } from '@bulk/local-stack';
import { MONGO_CODES, StoreError } from '@bulk/mongo';
import { REDIS_REPLIES, RedisError } from '@bulk/redis';
import { KafkaJSConnectionError, KafkaJSNumberOfRetriesExceeded, KafkaJSProtocolError } from 'kafkajs';
import { MongoNetworkError, MongoServerError, MongoServerSelectionError } from 'mongodb';

/** A service exports nothing, so what customers see is read from its sources. */
const fromService = async (path: string): Promise<Readonly<Record<string, (error: unknown) => unknown>>> =>
  (await import(pathToFileURL(join(workspaceRoot, 'services', path)).href)) as never;
const { toErrorResponse } = await fromService('intake/src/http/error-response.ts');
const { errorFrame } = await fromService('notifier/src/connection/frames.ts');

/** A driver's text with a host, a command and its values. */
const TEXT = 'not authorized on crm at 10.1.2.3 to execute { update: "contacts", secret: "s3cret" }';

/** A dependency in the table: what identifies its errors, and how the services treat them. */
interface Dependency {
  readonly name: string;
  readonly known: Readonly<Partial<Record<FaultKind, readonly (string | number)[]>>>;
  /** Returns the adapter's error for an error of the client that `known` identifies. */
  readonly errorOf: (code: string | number) => DependencyError;
  readonly unreachable: readonly DependencyError[];
  readonly unknown: readonly DependencyError[];
  /**
   * Cells of handler, stats-aggregator, intake and notifier: during an outage, and for `request`.
   */
  readonly outage: readonly string[];
  readonly request?: readonly string[];
}

/** The client uses this class for replies, and exports no type of it. */
const reply = (message: string): Error => Object.assign(new Error(message), { name: 'ReplyError' });
const socket = Object.assign(new Error(TEXT), { code: 'ECONNREFUSED' });
const protocol = (type: string): Error =>
  new KafkaJSProtocolError({ name: type, type, code: 1, retriable: false, message: TEXT } as never);
const kafkajs = (type: string): Error =>
  type.startsWith('KafkaJS')
    ? Object.assign(new Error(TEXT), { name: type, retriable: false })
    : protocol(type);
const http = (status: number): Error => Object.assign(new Error(TEXT), { status });

const DEPENDENCIES: readonly Dependency[] = [
  {
    name: 'MongoDB',
    known: MONGO_CODES,
    errorOf: (code) => new StoreError(new MongoServerError({ message: TEXT, code })),
    unreachable: [
      new MongoNetworkError(TEXT),
      new MongoServerSelectionError(TEXT, { type: 'Unknown', servers: new Map() } as never),
      socket,
    ].map((cause) => new StoreError(cause)),
    unknown: [new StoreError(new MongoServerError({ message: TEXT, code: 987_654 }))],
    outage: ['waits', 'waits', '503', 'error, retry'],
    request: ['fails', 'dead letter', '500', 'error'],
  },
  {
    name: 'Redis',
    known: REDIS_REPLIES,
    errorOf: (code) => new RedisError(reply(`${code} ${TEXT}`)),
    unreachable: [new RedisError(socket), new RedisError(new Error('Command timed out'))],
    unknown: [new RedisError(reply('ERR of a later version'))],
    outage: ['waits', '–', 'unlimited or 503', '–'],
    request: ['dead letter', '–', '–', '–'],
  },
  {
    name: 'Kafka',
    known: KAFKA_TYPES,
    errorOf: (type) => new ProduceError('results', kafkajs(String(type))),
    unreachable: [
      new KafkaJSConnectionError('Closed connection', { broker: '10.1.2.3:9092', code: 'ECONNRESET' }),
      new KafkaJSNumberOfRetriesExceeded(protocol('REQUEST_TIMED_OUT'), { retryCount: 5, retryTime: 1 }),
    ].map((cause) => new ProduceError('results', cause)),
    unknown: ['UNKNOWN', 'KAFKAJS_UNKNOWN_ERROR_CODE'].map(
      (type) => new ProduceError('results', protocol(type)),
    ),
    outage: ['waits', 'waits', 'dispatch waits', 'reads again'],
    request: ['dead letter', 'dead letter', 'dispatch waits', '–'],
  },
  {
    name: 'Schema Registry',
    known: REGISTRY_STATUSES,
    errorOf: (status) => new RegistryUnavailableError(http(Number(status))),
    unreachable: [new RegistryUnavailableError(socket)],
    unknown: [new RegistryUnavailableError(http(500)), new RegistryUnavailableError(http(404))],
    outage: ['waits', 'waits', '–', '–'],
  },
];

const ALSO: Readonly<Partial<Record<FaultKind, string>>> = {
  unreachable: 'no answer, a broken connection',
  unknown: 'any other error',
};

/** A row of the table. */
interface Row {
  readonly dependency: Dependency;
  readonly kind: FaultKind;
  readonly errors: readonly DependencyError[];
  readonly cells: readonly string[];
}

const rows: Row[] = DEPENDENCIES.flatMap((dependency) =>
  FAULT_KINDS.flatMap((kind): Row[] => {
    const { name, known, errorOf, unreachable, unknown, outage, request } = dependency;
    const codes = known[kind] ?? [];
    const errors = codes.map(errorOf);
    if (kind === 'unreachable') errors.push(...unreachable);
    if (kind === 'unknown') errors.push(...unknown);
    const treatment = kind === 'request' ? request : outage;
    if (errors.length === 0 || treatment === undefined) return [];
    const by = [...codes.map((code) => `\`${code}\``), ...(ALSO[kind] === undefined ? [] : [ALSO[kind]])];
    return [{ dependency, kind, errors, cells: [name, kind, by.join(', '), ...treatment] }];
  }),
);

const document = readFileSync(join(workspaceRoot, 'docs', 'operations', 'outages.md'), 'utf8');
const documented = (document.split('\n## By dependency and kind of fault\n')[1] ?? '')
  .split('\n')
  .filter((line) => /^\| (?!dependency|-)/.test(line))
  .map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );

describe('docs/operations/outages.md', () => {
  it('has a row for each dependency and kind of fault, with the codes that identify it', () => {
    expect(documented).toEqual(rows.map(({ cells }) => cells));
  });

  it.each(rows.map((row): [string, string, Row] => [row.dependency.name, row.kind, row]))(
    'says what the services do: %s, %s',
    (_name, kind, { errors, cells }) => {
      const [handler, aggregator, intake, notifier] = cells.slice(3);
      for (const error of errors) {
        expect(error.fault).toBe(kind);
        expect(error.refused).toBe(!['unreachable', 'election', 'request'].includes(kind));
        expect(isRetryable(error)).toBe(handler === 'waits');
        if (aggregator !== '–') expect(isRetryable(error)).toBe(aggregator === 'waits');
        const response = toErrorResponse!(error) as { readonly status: number };
        if (/^\d+$/.test(intake ?? '')) expect(response.status).toBe(Number(intake));
        const frame = errorFrame!(error);
        if (notifier?.startsWith('error') === true)
          expect(JSON.stringify(frame).includes('"retryable":true')).toBe(notifier.endsWith('retry'));
        expect(JSON.stringify([response, frame])).not.toMatch(/crm|10\.1\.2\.3|s3cret/);
      }
    },
  );
});
