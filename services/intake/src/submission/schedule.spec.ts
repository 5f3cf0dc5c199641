import { describe, expect, it } from '@jest/globals';
import { instantSchema } from '@bulk/contracts';
import { InvalidInputError } from '@bulk/domain';
import { startOf } from './schedule.ts';

const OPTIONS = { maxDays: 366, now: () => new Date('2027-06-01T12:00:00Z') };

describe('startOf', () => {
  it.each([
    ['nothing as at once', undefined, null],
    ['a time with an offset as the same instant', '2027-06-02T00:00:00+05:30', '2027-06-01T18:30:00.000Z'],
    ['a time in the past', '0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000Z'],
    ['a time one year ahead over a leap day', '2028-06-01T12:00:00Z', '2028-06-01T12:00:00.000Z'],
  ])('accepts %s', (_what, given, expected) => {
    expect(startOf(given, OPTIONS)?.toISOString() ?? null).toBe(expected);
  });

  it.each(['2028-06-02T12:00:00.001Z', '9999-12-31T23:59:59Z'])(
    'refuses %s and names the latest time',
    (given) => {
      let thrown: unknown;
      try {
        startOf(given, OPTIONS);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(InvalidInputError);
      expect(thrown).toMatchObject({
        issues: [
          {
            field: 'scheduledFor',
            message: expect.stringContaining('at most 366 days ahead, which is 2028-06-01T12:00:00.000Z'),
          },
        ],
      });
    },
  );
});

describe('instantSchema', () => {
  it.each([
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999Z',
    '0001-01-01T05:00:00+05:00',
    '0000-12-31T20:00:00-05:00',
  ])('accepts %s, which is within the years 0001 to 9999 in UTC', (text) =>
    expect(instantSchema.safeParse(text).success).toBe(true),
  );

  it.each(['0001-01-01T00:00:00+00:01', '9999-12-31T23:59:59-00:01', '0000-06-01T00:00:00Z'])(
    'refuses %s, which is outside the years 0001 to 9999 in UTC',
    (text) => {
      const issues = instantSchema.safeParse(text).error?.issues.map(({ message }) => message);
      expect(issues).toEqual(['expected an instant in the years 0001 to 9999 of UTC']);
    },
  );
});
