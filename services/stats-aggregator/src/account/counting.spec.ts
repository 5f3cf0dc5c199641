import { describe, expect, it } from '@jest/globals';
import { addTallies, EMPTY_TALLY, failure, success, tally, type Tally } from '@bulk/domain';
import fc from 'fast-check';
import { deltaOf, type Countable, type StoredSource } from './counting.ts';

/** A results partition as Kafka keeps it: the batch number of the message at each offset; a batch may be there twice. */
const topic = fc.array(fc.nat(6), { minLength: 1, maxLength: 25 });

/** How a run of the aggregator goes: how many messages a chunk has, and after which step it dies. */
const step = fc.record({
  chunk: fc.integer({ min: 1, max: 6 }),
  diesAfter: fc.constantFrom('none', 'logs', 'counts'),
});
const run = fc.array(step, { maxLength: 40 });

const tallyOf = (batchNo: number): Tally =>
  tally([success(), ...(batchNo % 2 === 0 ? [failure('ODD', 'm')] : [])]);

/** The store: a log per batch, counts with a fence. What deltaOf is for. */
class Model {
  readonly logs = new Map<number, StoredSource>();
  counts: Tally = EMPTY_TALLY;
  applied: number | undefined;
  committed = 0;

  process(batches: readonly number[], { chunk, diesAfter }: { chunk: number; diesAfter: string }): void {
    const offsets = batches.map((_, offset) => offset).slice(this.committed, this.committed + chunk);
    const results = offsets.map((offset): Countable => {
      const batchNo = batches[offset]!;
      const source = { partition: 0, offset };
      if (!this.logs.has(batchNo)) this.logs.set(batchNo, source);
      return { tally: tallyOf(batchNo), source, stored: this.logs.get(batchNo)! };
    });
    if (diesAfter === 'logs') return;
    const delta = deltaOf(results, this.applied);
    if (delta !== undefined) {
      this.counts = addTallies(this.counts, delta.tally);
      this.applied = delta.applied;
    }
    if (diesAfter === 'counts') return;
    this.committed += offsets.length;
  }
}

describe('deltaOf', () => {
  it('counts each batch once, whatever is repeated and wherever the process dies', () => {
    fc.assert(
      fc.property(topic, run, (batches, steps) => {
        const model = new Model();
        for (const one of steps) model.process(batches, one);
        while (model.committed < batches.length) model.process(batches, { chunk: 4, diesAfter: 'none' });
        const expected = [...new Set(batches)].reduce(
          (sum, batchNo) => addTallies(sum, tallyOf(batchNo)),
          EMPTY_TALLY,
        );
        expect(model.counts).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('never has counts ahead of the logs', () => {
    fc.assert(
      fc.property(topic, run, (batches, steps) => {
        const model = new Model();
        for (const one of steps) {
          model.process(batches, one);
          const logged = [...model.logs.keys()].reduce((sum, n) => addTallies(sum, tallyOf(n)), EMPTY_TALLY);
          expect(model.counts.success).toBeLessThanOrEqual(logged.success);
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
    expect(deltaOf([repeated], 8)).toEqual({ tally: EMPTY_TALLY, applied: 9 });
  });
});
