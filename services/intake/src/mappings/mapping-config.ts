import { integer } from '@bulk/runtime';

/** All mappings of an account are in one document, whose size MongoDB bounds. */
const MAX_MAPPINGS = 200;

/** Variables of saved column mappings. */
export const mappingConfigShape = {
  COLUMN_MAPPINGS_ACCOUNT: integer(
    { min: 0, max: MAX_MAPPINGS },
    100,
    'Maximum number of saved column mappings of one account. Further ones are refused with 422. A lower value keeps the mappings that exist.',
  ),
};
