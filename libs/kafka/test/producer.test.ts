import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig, silentLogger } from '@bulk/runtime';
import { eventually, linkTo, TestInstallation, TopicReader, type BreakableLink } from '@bulk/testing';
import { z } from 'zod';
import { createKafka } from '../src/client/client.ts';
import { kafkaConfigShape } from '../src/client/config.ts';
import { MessageProducer } from '../src/producer/message-producer.ts';

const SENDS = 6;
const DELAY_MS = 100;

let installation: TestInstallation;
let link: BreakableLink;
let producer: MessageProducer;
beforeEach(async () => {
  installation = await TestInstallation.create('producer');
  const linked = await linkTo('kafka', installation.env);
  link = linked.link;
  installation.onDispose(() => link.close());
  const config = loadConfig(z.object(kafkaConfigShape), {
    ...installation.env,
    ...linked.env,
    KAFKA_REQUEST_TIMEOUT_MS: '1000',
  });
  const kafka = createKafka('producer-test', config, silentLogger());
  producer = await MessageProducer.connect(kafka, await installation.codec(), silentLogger());
  installation.onDispose(() => producer.disconnect());
});
afterEach(() => installation.dispose());

const send = (name: string): Promise<void> =>
  producer.forward(installation.topics.results, [
    { key: null, value: Buffer.from(name), partition: 0, headers: {} },
  ]);

describe('concurrent sends', () => {
  // kafkajs gives the sequence number of a send whose answer is missing to the next send. The broker takes that for a
  // repetition.
  it('have all arrived when they are confirmed, also if the answer to one of them is lost', async () => {
    const reader = await TopicReader.open(installation.kafka, [installation.topics.results]);
    installation.onDispose(() => reader.close());
    await send('first');
    link.delay(DELAY_MS);
    const names = Array.from({ length: SENDS }, (_, i) => `send ${i}`);
    const [ahead = '', ...behind] = names;
    const sends = [send(ahead)];
    // The others share the next request.
    await new Promise((resolve) => setImmediate(resolve));
    sends.push(...behind.map(send));
    // The first one has reached the broker by then, and its answer has not arrived.
    await eventually('it is there', () => reader.messages.length === 2, { everyMs: 1 });
    link.hang();
    link.delay(0);
    await Promise.all(sends);
    const there = await eventually('all', () => {
      const found = new Set(reader.messages.map(({ message }) => String(message.value)));
      return found.size === SENDS + 1 ? found : undefined;
    });
    expect([...there].sort()).toEqual(['first', ...names].sort());
  });
});
