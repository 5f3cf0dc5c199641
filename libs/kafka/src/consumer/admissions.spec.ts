import { expect, it } from '@jest/globals';
import { Admissions } from './admissions.ts';

/** Admissions whose questions are answered with what is left in `answers`, then with yes. */
function answered(...answers: readonly ('yes' | 'no')[]): { admissions: Admissions; asked: () => number } {
  const left = [...answers];
  let asked = 0;
  const admissions = new Admissions(() => {
    asked += 1;
    return left.shift() === 'no' ? Promise.reject(new Error('refused')) : Promise.resolve();
  });
  return { admissions, asked: () => asked };
}

it('asks about messages that were fetched by name, once for all that were fetched before the question', async () => {
  const { admissions, asked } = answered();
  const fetchedAt = performance.now();
  const until = await admissions.admit('topic', fetchedAt);
  expect(until).toBeGreaterThanOrEqual(fetchedAt);
  expect(await admissions.admit('topic', fetchedAt)).toBe(until);
  expect(asked()).toBe(1);
});

it('asks nothing about messages that were fetched by id', async () => {
  const { admissions, asked } = answered();
  expect(await admissions.admit('topic', -Infinity)).toBe(-Infinity);
  expect(asked()).toBe(0);
});

it('holds every message of a topic after a refusal, until a later answer is yes', async () => {
  const { admissions, asked } = answered('yes', 'no', 'no');
  const fetchedAt = performance.now();
  await admissions.admit('topic', fetchedAt);
  await expect(admissions.admit('topic', Infinity)).rejects.toThrow('refused');
  await expect(admissions.admit('topic', fetchedAt)).rejects.toThrow('refused');
  await admissions.admit('topic', -Infinity);
  await admissions.admit('topic', -Infinity);
  expect(asked()).toBe(4);
});

it('remembers the answer about a topic of which Kafka refused a fetch', async () => {
  const { admissions, asked } = answered('no');
  admissions.recheck('topic');
  await expect(admissions.admit('topic', performance.now())).rejects.toThrow('refused');
  expect(asked()).toBe(1);
  await admissions.admit('other', -Infinity);
  await admissions.admit('topic', -Infinity);
  expect(asked()).toBe(2);
});
