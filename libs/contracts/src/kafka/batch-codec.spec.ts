import { describe, expect, it } from '@jest/globals';
import { failure, success, type Fields } from '@bulk/domain';
import {
  decodeEntity,
  decodeEntityBatch,
  decodeOutcomes,
  encodeBatchResult,
  encodeEntities,
  entityBatchEncoder,
} from './batch-codec.ts';
import { MalformedMessageError } from './malformed-message-error.ts';
import { MESSAGES } from './messages.ts';

const identity = {
  actionId: '0191c2f0-0000-7000-8000-000000000001',
  accountId: 'acme',
  actionType: 'update',
  entityType: 'contact',
  lane: 'normal',
} as const;
const config = { overwrite: false, tags: ['a', 'b'] };
const entities = [
  { position: 3, id: 'c3', ref: 'row 4', fields: { name: 'Ünal', age: null } },
  { position: 7, id: 'c7', ref: null, fields: {} },
];
const mode = {
  dryRun: true,
  cancelled: true,
  failed: true,
  retry: { maxAttempts: 2 },
  rootActionId: 'a0',
  changes: 'values',
} as const;
const message = entityBatchEncoder(
  identity,
  config,
  mode,
)({ batchNo: 5, entities: encodeEntities(entities), origins: [8, 9] });

describe('an entity batch', () => {
  it('keeps its content when encoded and decoded', () => {
    expect(decodeEntityBatch(MESSAGES.entityBatch.schema.parse(message))).toEqual({
      identity,
      config,
      ...mode,
      batchNo: 5,
      entities: entities.map((entity, i) => ({ ...entity, origin: 8 + i })),
    });
  });

  it('is applied for real, with the default retry policy, when it names no mode', () => {
    const plain = entityBatchEncoder(identity, config)({ batchNo: 0, entities: [] });
    expect(decodeEntityBatch(plain)).toMatchObject({
      dryRun: false,
      cancelled: false,
      failed: false,
      retry: null,
      rootActionId: null,
      changes: 'none',
    });
  });

  it('has fields that older components refuse where a position has a fault, which they ignore', () => {
    const fault = { code: 'AMBIGUOUS_MATCH', message: 'two contacts have this email' };
    const sent = { position: 3, id: '', ref: null, fields: JSON.parse('{"__proto__":1}') as Fields };
    const [encoded] = encodeEntities([{ ...sent, fault }]);
    expect(encoded).toEqual({
      position: 3,
      id: '',
      ref: null,
      fields: '{"(fault)":{"__proto__":1}}',
      fault,
    });
    expect(decodeEntity(encoded!)).toEqual({ ...sent, fault });
    // An older intake that publishes the batch, or retries the position, leaves out the fault.
    const lost = { ...sent, fields: encoded!.fields };
    expect(decodeEntity(lost)).toEqual({
      ...sent,
      fault: { code: 'INVALID_ENTITY', message: expect.stringContaining('older version') },
    });
    for (const fields of [{ '(fault)': 'mine' }, { '(fault)': {}, city: 'Bonn' }, {}])
      expect(decodeEntity(encodeEntities([{ ...sent, fields }])[0]!)).toEqual({ ...sent, fields });
  });

  it.each([
    ['a config', { ...message, config: '[]' }],
    [
      'fields',
      {
        ...message,
        entities: [{ position: 0, id: 'c0', ref: null, fields: '{', fault: null, origin: null }],
      },
    ],
    ['a retry policy', { ...message, retry: { maxAttempts: -1, initialDelayMs: null, maxDelayMs: null } }],
  ])('is malformed if %s is invalid', (_what, malformed) => {
    expect(() => decodeEntityBatch(malformed)).toThrow(MalformedMessageError);
  });
});

describe('a batch result', () => {
  const source = { topic: 'bulk.entity-batches.normal', partition: 1, offset: 9 };
  const outcomes = [
    { position: 3, entityId: 'c3', ref: 'row 4', outcome: success(), attempts: 1 },
    { position: 4, entityId: 'c4', ref: null, outcome: success('updated', 7), attempts: 1 },
    {
      position: 5,
      entityId: 'c5',
      ref: null,
      outcome: success('deleted', 3, '{"fields":["city"]}'),
      attempts: 1,
    },
    { position: 7, entityId: 'c7', ref: null, outcome: failure('NOT_FOUND', 'no such contact'), attempts: 3 },
  ];
  const result = encodeBatchResult({ identity, batchNo: 5 }, source, outcomes, new Date(0));

  it('keeps its outcomes when encoded and decoded', () => {
    expect(decodeOutcomes(MESSAGES.batchResult.schema.parse(result))).toEqual(outcomes);
  });

  it('has a success without an effect where a later schema names another', () => {
    const later = result.outcomes.map((outcome) => ({ ...outcome, effect: 'other' as const }));
    const decoded = decodeOutcomes({ ...result, outcomes: later });
    expect(decoded[1]).toMatchObject({ outcome: success(undefined, 7) });
  });

  it('is malformed if a failure has no code', () => {
    const failed = result.outcomes.at(-1);
    const malformed = { ...result, outcomes: [{ ...failed!, code: null }] };
    expect(() => decodeOutcomes(malformed)).toThrow(MalformedMessageError);
  });
});
