import { describe, expect, it } from '@jest/globals';
import { addTallies, EMPTY_TALLY, failure, success, tally, type Tally } from '@bulk/domain';
import fc from 'fast-check';
import { deltaOf, isSettled, latestSettled, type Countable, type LoggedVersion } from './counting.ts';

/** A result of a batch, possibly present twice. A generation above 0 is a replay. */
interface Message {
  readonly batchNo: number;
  readonly generation: number;
}

/**
 * Partitions of the results topic. A second one matters if the topic was given more partitions in
 * between.
 */
const PARTITIONS = 2;
const message: fc.Arbitrary<Message> = fc.record({
  batchNo: fc.nat(4),
  generation: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(3) }),
});
const topic = fc.tuple(
  fc.array(message, { minLength: 1, maxLength: 25 }),
  fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(message, { maxLength: 8 })),
);

/**
 * One step of the aggregator.
 *
 * It says which partition has its turn, how many messages the chunk has, after which step the
 * aggregator dies, and which message it gives up, for a reason that need not hold the next time.
 */
interface Step {
  readonly partition: number;
  readonly chunk: number;
  readonly diesAfter: 'none' | 'logs' | 'counts';
  readonly givesUp?: number | undefined;
}
const step: fc.Arbitrary<Step> = fc.record({
  partition: fc.nat(PARTITIONS - 1),
  chunk: fc.integer({ min: 1, max: 6 }),
  diesAfter: fc.constantFrom('none' as const, 'logs' as const, 'counts' as const),
  givesUp: fc.option(fc.nat(5), { nil: undefined, freq: 4 }),
});
const run = fc.array(step, { maxLength: 40 });

const tallyOf = ({ batchNo, generation }: Message): Tally =>
  tally([success(), ...(batchNo % 2 === 0 ? [failure(`OF_GENERATION_${generation}`, 'm')] : [])]);

/** The store that deltaOf and isSettled work on: a log per batch, and counts with a fence. */
class Model {
  readonly logs = new Map<number, readonly LoggedVersion[]>();
  /** Batches of which a message was given up at least once. */
  readonly givenUp = new Set<number>();
  counts: Tally = EMPTY_TALLY;
  countedBatches = 0;
  readonly applied: Record<string, number> = {};
  readonly #committed = Array.from({ length: PARTITIONS }, () => 0);
  readonly #topic: readonly (readonly Message[])[];

  constructor(partitions: readonly (readonly Message[])[]) {
    this.#topic = partitions;
  }

  get logged(): Tally {
    return [...this.logs.values()].reduce(
      (sum, versions) => addTallies(sum, versions.at(-1)!.tally),
      EMPTY_TALLY,
    );
  }

  /** Processes every message to its end. */
  finish(): void {
    for (const [partition, messages] of this.#topic.entries()) {
      while (this.#committed[partition]! < messages.length)
        this.process({ partition, chunk: 4, diesAfter: 'none' });
    }
  }

  process({ partition, chunk, diesAfter, givesUp }: Step): void {
    const from = this.#committed[partition]!;
    const offsets = this.#topic[partition]!.map((_, offset) => offset).slice(from, from + chunk);
    const bad = givesUp === undefined ? undefined : offsets[givesUp];
    if (bad === undefined) {
      const results = this.#log(partition, offsets);
      if (diesAfter === 'logs') return;
      this.#count(partition, results);
    } else {
      // The chunk is split message by message. The log of the bad message is stored, but its counts
      // cannot be.
      this.#log(partition, offsets);
      for (const offset of offsets) {
        const results = this.#log(partition, [offset]);
        if (offset === bad) this.#giveUp(partition, offset);
        else this.#count(partition, results);
      }
    }
    if (diesAfter === 'counts') return;
    this.#committed[partition] = from + offsets.length;
  }

  #log(partition: number, offsets: readonly number[]): Countable[] {
    const open = offsets
      .map((offset) => ({ ...this.#topic[partition]![offset]!, source: { partition, offset } }))
      .filter(({ source }) => !isSettled(source, this.applied));
    for (const { batchNo, generation, source } of open) {
      const versions = this.logs.get(batchNo) ?? [];
      if (versions.length > 0 && versions.at(-1)!.generation >= generation) continue;
      const counted = latestSettled(versions, this.applied);
      const kept = versions.slice(counted === undefined ? 0 : versions.indexOf(counted));
      const version = { generation, source, tally: tallyOf({ batchNo, generation }) };
      this.logs.set(batchNo, [...kept, version]);
    }
    return open.map(({ batchNo, source }) => ({ batchNo, source, versions: this.logs.get(batchNo)! }));
  }

  #count(partition: number, results: readonly Countable[]): void {
    const delta = deltaOf(results, this.applied);
    if (delta === undefined) return;
    this.counts = addTallies(this.counts, delta.tally);
    this.countedBatches += delta.batches;
    this.applied[String(partition)] = delta.applied;
  }

  #giveUp(partition: number, offset: number): void {
    const { batchNo } = this.#topic[partition]![offset]!;
    if (isSettled({ partition, offset }, this.applied)) return;
    this.givenUp.add(batchNo);
    const left = (this.logs.get(batchNo) ?? []).filter(
      ({ source }) => source.partition !== partition || source.offset !== offset,
    );
    if (left.length > 0) this.logs.set(batchNo, left);
    else this.logs.delete(batchNo);
  }
}

describe('deltaOf', () => {
  it('counts logged outcomes and each batch once, whatever is repeated, replayed or given up and wherever the process dies', () => {
    fc.assert(
      fc.property(topic, run, (partitions, steps) => {
        const model = new Model(partitions);
        for (const one of steps) model.process(one);
        model.finish();
        expect(model.counts).toEqual(model.logged);
        expect(model.countedBatches).toBe(model.logs.size);
        // The highest generation of each batch counts.
        for (const one of partitions.flat()) {
          if (model.givenUp.has(one.batchNo)) continue;
          expect(model.logs.get(one.batchNo)?.at(-1)?.generation).toBeGreaterThanOrEqual(one.generation);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('never lets the counts get ahead of the logs', () => {
    fc.assert(
      fc.property(topic, run, (partitions, steps) => {
        const model = new Model(partitions);
        for (const one of steps) {
          model.process(one);
          expect(model.counts.success).toBeLessThanOrEqual(model.logged.success);
        }
      }),
    );
  });

  const at = (offset: number, generation = 0, partition = 0): LoggedVersion => ({
    generation,
    source: { partition, offset },
    tally: tallyOf({ batchNo: 0, generation }),
  });
  const replaced: Tally = { ...EMPTY_TALLY, codes: { OF_GENERATION_0: -1, OF_GENERATION_1: 1 } };

  it('returns undefined for results that were counted before', () => {
    const version = at(5);
    expect(deltaOf([{ batchNo: 0, source: version.source, versions: [version] }], { 0: 5 })).toBeUndefined();
    expect(deltaOf([], {})).toBeUndefined();
  });

  it('moves the fence past a repetition without counting it', () => {
    const repeated = { batchNo: 0, source: { partition: 0, offset: 9 }, versions: [at(2)] };
    expect(deltaOf([repeated], { 0: 8 })).toEqual({
      tally: EMPTY_TALLY,
      batches: 0,
      settled: [0],
      applied: 9,
    });
  });

  it('counts the difference that a replacement makes, and counts no batch again', () => {
    const versions = [at(2), at(9, 1)];
    const replacement = { batchNo: 0, source: { partition: 0, offset: 9 }, versions };
    expect(deltaOf([replacement], { 0: 8 })).toEqual({
      tally: replaced,
      batches: 0,
      settled: [0],
      applied: 9,
    });
    // Both in one chunk, after a crash between logs and counts.
    const first = { batchNo: 0, source: { partition: 0, offset: 2 }, versions };
    expect(deltaOf([first, replacement], { 0: 1 })).toEqual({
      tally: tallyOf({ batchNo: 0, generation: 1 }),
      batches: 1,
      settled: [0],
      applied: 9,
    });
    // The first result alone counts for the moment.
    expect(deltaOf([first], { 0: 1 })).toMatchObject({ tally: tallyOf({ batchNo: 0, generation: 0 }) });
  });

  it('names the other partitions on which the delta depends', () => {
    const versions = [at(2, 0, 1), at(9, 1)];
    const replacement = { batchNo: 0, source: { partition: 0, offset: 9 }, versions };
    expect(deltaOf([replacement], { 0: 8, 1: 4 })).toEqual({
      tally: replaced,
      batches: 0,
      settled: [0],
      applied: 9,
      otherPartitions: { 1: 4 },
    });
    expect(deltaOf([replacement], { 0: 8 })?.otherPartitions).toEqual({ 1: undefined });
  });
});
