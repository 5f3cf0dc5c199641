import { integer } from '@bulk/runtime';

/** Settings of the reads of records: filters, lists and exports. */
export const recordsConfigShape = {
  FILTER_READS_IN_FLIGHT: integer(
    { min: 1, max: 10_000 },
    32,
    'Maximum number of reads of records (filters of actions, lists, exports) that one process carries out at once. Each of them has a connection to MongoDB of its own. Further requests are answered with 503.',
  ),
  FILTER_READS_IN_FLIGHT_ACCOUNT: integer(
    { min: 1, max: 10_000 },
    8,
    'Maximum number of reads of records of one account that one process carries out at once. Further requests are answered with 429.',
  ),
  FILTER_TIMEOUT_MS: integer(
    { min: 100, max: 3_600_000 },
    300_000,
    'Maximum time that MongoDB takes to read the records of one filter, in ms. A request that takes longer is refused with 422. Higher values allow filters without an index on larger accounts.',
  ),
};
