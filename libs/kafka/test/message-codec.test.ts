import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MalformedMessageError, MESSAGES, type ActionProgress, type DeadLetter } from '@bulk/contracts';
import { TestInstallation } from '@bulk/testing';
import avsc from 'avsc';
import type { MessageCodec } from '../src/registry/message-codec.ts';

let installation: TestInstallation;
let codec: MessageCodec;

beforeAll(async () => {
  installation = await TestInstallation.create('codec');
  codec = await installation.codec();
});
afterAll(() => installation.dispose());

const progress: ActionProgress = {
  actionId: '0198f7c0-0000-7000-8000-000000000000',
  accountId: 'acme',
  actionType: 'update',
  entityType: 'contact',
  version: 2 ** 52,
  status: 'processing',
  total: 10,
  success: 1,
  failure: 2,
  skipped: 3,
  startedAt: 1_700_000_000_123,
  finishedAt: null,
  pausedMs: 0,
  updatedAt: 1_700_000_001_000,
};

describe('MessageCodec', () => {
  it('decodes what it has encoded, in Confluent’s wire format', async () => {
    const bytes = await codec.encode(installation.topics.progress, progress);
    expect(bytes[0]).toBe(0);
    expect(await codec.decode(MESSAGES.actionProgress, bytes)).toEqual(progress);
  });

  it('preserves bytes', async () => {
    const letter: DeadLetter = {
      service: 'handler',
      code: 'X',
      message: 'm',
      attempts: 1,
      topic: 't',
      partition: 0,
      offset: 4,
      key: null,
      value: Buffer.from([0, 255, 128, 10]),
      headers: { h: Buffer.from([7]) },
      failedAt: 1,
    };
    const read = await codec.decode(
      MESSAGES.deadLetter,
      await codec.encode(installation.topics.deadLetters, letter),
    );
    expect(Buffer.from(read.value!)).toEqual(Buffer.from([0, 255, 128, 10]));
    expect(Buffer.from(read.headers['h']!)).toEqual(Buffer.from([7]));
  });

  it('reads an effect that a later schema has added as "other"', () => {
    const reader = avsc.Type.forSchema(MESSAGES.batchResult.avro as avsc.Schema, {
      omitRecordMethods: true,
    });
    const later = JSON.stringify(MESSAGES.batchResult.avro).replace('"unchanged"', '"unchanged","archived"');
    const writer = avsc.Type.forSchema(JSON.parse(later) as avsc.Schema);
    const at = { ref: null, status: 'success', code: null, message: null, attempts: 1, version: 3 };
    const outcomes = ['archived', 'deleted', null].map((effect, position) => ({
      ...at,
      position,
      entityId: 'c1',
      effect,
    }));
    const result = {
      resultId: 'a:0',
      actionId: 'a',
      accountId: 'acme',
      actionType: 'archive',
      entityType: 'contact',
      batchNo: 0,
      generation: 0,
      source: { topic: 't', partition: 0, offset: 1 },
      outcomes,
      processedAt: 0,
    };
    const read: unknown = reader.fromBuffer(writer.toBuffer(result), reader.createResolver(writer));
    const effects = MESSAGES.batchResult.schema.parse(read).outcomes.map(({ effect }) => effect);
    expect(effects).toEqual(['other', 'deleted', null]);
  });

  it('changes nothing when it registers again, as every service does at its start', async () => {
    const again = await installation.codec();
    const bytes = await again.encode(installation.topics.progress, progress);
    expect(bytes).toEqual(await codec.encode(installation.topics.progress, progress));
  });

  it.each([
    ['nothing', null],
    ['too little', Buffer.from([0, 0])],
    ['text', Buffer.from('{"actionId":"x"}')],
    ['an unknown schema', Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1, 2])],
  ])('refuses %s as malformed', async (_what, bytes) => {
    await expect(codec.decode(MESSAGES.actionProgress, bytes)).rejects.toThrow(MalformedMessageError);
  });

  it('refuses a truncated body and an unexpected message type', async () => {
    const bytes = await codec.encode(installation.topics.progress, progress);
    await expect(codec.decode(MESSAGES.actionProgress, bytes.subarray(0, 30))).rejects.toThrow(
      MalformedMessageError,
    );
    await expect(codec.decode(MESSAGES.entityBatch, bytes)).rejects.toThrow(MalformedMessageError);
  });

  it('refuses to encode an invalid value, and a value for an unknown topic', async () => {
    await expect(codec.encode(installation.topics.progress, { ...progress, total: 'ten' })).rejects.toThrow();
    await expect(codec.encode('elsewhere', progress)).rejects.toThrow(MalformedMessageError);
  });
});
