import { describe, expect, it } from '@jest/globals';
import { addTallies, EMPTY_TALLY, failure, success, tally, type Tally } from '@bulk/domain';
import fc from 'fast-check';
import { deltaOf, isSettled, type Countable, type StoredSource } from './counting.ts';

/** A results partition as Kafka keeps it: the batch number of the message at each offset; a batch may be there twice. */
const topic = fc.array(fc.nat(6), { minLength: 1, maxLength: 25 });

/**
 * How a run of the aggregator goes: how many messages a chunk has, after which step it dies, or which of its messages it
 * gives up, for a reason that need not be there the next time.
 */
const step: fc.Arbitrary<Step> = fc.record({
  chunk: fc.integer({ min: 1, max: 6 }),
  diesAfter: fc.constantFrom('none' as const, 'logs' as const, 'counts' as const),
  givesUp: fc.option(fc.nat(5), { nil: undefined, freq: 4 }),
});
interface Step {
  readonly chunk: number;
  readonly diesAfter: 'none' | 'logs' | 'counts';
  readonly givesUp?: number | undefined;
}
const run = fc.array(step, { maxLength: 40 });

const tallyOf = (batchNo: number): Tally =>
  tally([success(), ...(batchNo % 2 === 0 ? [failure('ODD', 'm')] : [])]);

/** The store: a log per batch, counts with a fence. What deltaOf and isSettled are for. */
class Model {
  readonly logs = new Map<number, StoredSource>();
  readonly givenUp = new Set<number>();
  counts: Tally = EMPTY_TALLY;
  applied: number | undefined;
  committed = 0;
  readonly #batches: readonly number[];

  constructor(batches: readonly number[]) {
    this.#batches = batches;
  }

  get done(): boolean {
    return this.committed >= this.#batches.length;
  }

  get logged(): Tally {
    return [...this.logs.keys()].reduce((sum, n) => addTallies(sum, tallyOf(n)), EMPTY_TALLY);
  }

  process({ chunk, diesAfter, givesUp }: Step): void {
    const offsets = this.#batches.map((_, offset) => offset).slice(this.committed, this.committed + chunk);
    const bad = givesUp === undefined ? undefined : offsets[givesUp];
    if (bad === undefined) {
      const results = this.#log(offsets);
      if (diesAfter === 'logs') return;
      this.#count(results);
    } else {
      // Taken apart, message by message; the log of the bad one is stored, its counts cannot be.
      this.#log(offsets);
      for (const offset of offsets) {
        const results = this.#log([offset]);
        if (offset === bad) this.#giveUp(offset);
        else this.#count(results);
      }
    }
    if (diesAfter === 'counts') return;
    this.committed += offsets.length;
  }

  #log(offsets: readonly number[]): Countable[] {
    return offsets
      .map((offset) => ({ partition: 0, offset }))
      .filter((source) => !isSettled(source, this.applied))
      .map((source) => {
        const batchNo = this.#batches[source.offset]!;
        if (!this.logs.has(batchNo)) this.logs.set(batchNo, source);
        return { tally: tallyOf(batchNo), source, stored: this.logs.get(batchNo)! };
      });
  }

  #count(results: readonly Countable[]): void {
    const delta = deltaOf(results, this.applied);
    if (delta === undefined) return;
    this.counts = addTallies(this.counts, delta.tally);
    this.applied = delta.applied;
  }

  #giveUp(offset: number): void {
    const batchNo = this.#batches[offset]!;
    if (isSettled({ partition: 0, offset }, this.applied)) return;
    this.givenUp.add(batchNo);
    if (this.logs.get(batchNo)?.offset === offset) this.logs.delete(batchNo);
  }
}

describe('deltaOf', () => {
  it('counts what is logged and each batch once, whatever is repeated or given up and wherever the process dies', () => {
    fc.assert(
      fc.property(topic, run, (batches, steps) => {
        const model = new Model(batches);
        for (const one of steps) model.process(one);
        while (!model.done) model.process({ chunk: 4, diesAfter: 'none' });
        expect(model.counts).toEqual(model.logged);
        const missing = [...new Set(batches)].filter((batchNo) => !model.logs.has(batchNo));
        expect(missing.filter((batchNo) => !model.givenUp.has(batchNo))).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('never has counts ahead of the logs', () => {
    fc.assert(
      fc.property(topic, run, (batches, steps) => {
        const model = new Model(batches);
        for (const one of steps) {
          model.process(one);
          expect(model.counts.success).toBeLessThanOrEqual(model.logged.success);
        }
      }),
    );
  });

  it('has nothing to say of what was counted before', () => {
    const source = { partition: 0, offset: 5 };
    expect(deltaOf([{ tally: tallyOf(0), source, stored: source }], 5)).toBeUndefined();
    expect(deltaOf([], undefined)).toBeUndefined();
  });

  it('moves the fence past a repetition without counting it', () => {
    const repeated = {
      tally: tallyOf(0),
      source: { partition: 0, offset: 9 },
      stored: { partition: 0, offset: 2 },
    };
    expect(deltaOf([repeated], 8)).toEqual({ tally: EMPTY_TALLY, batches: 0, applied: 9 });
  });
});
