import { entityIdSchema } from '@bulk/domain';
import { z } from 'zod';

/** Kinds of field that several entity types share. */
export const shortText = z
  .string()
  .min(1, 'expected a non-empty string')
  .max(200, 'expected at most 200 characters');
export const longText = z.string().max(5_000, 'expected at most 5000 characters');
/**
 * Matches an e-mail address, also beyond ASCII (RFC 6531): characters of any script on both sides, and a dot in the
 * domain. Each part is matched in one pass, so that no input takes long.
 */
const EMAIL =
  /^(?!\.)(?!.*\.\.)[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~.-]+(?<!\.)@(?:[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?\.)+[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])$/u;
export const email = z
  .string()
  .max(254, { message: 'expected at most 254 characters', abort: true })
  .regex(EMAIL, 'expected an e-mail address');
export const phone = z.string().regex(/^\+?[0-9 ().-]{3,32}$/, 'expected a phone number');
export const country = z
  .string()
  .regex(/^[A-Z]{2}$/, 'expected a two-letter country code (ISO 3166-1), e.g. DE');
export const reference = z
  .string()
  .min(1, 'expected a non-empty id')
  .max(256, 'expected at most 256 characters');
/** The name of the entity in another system. */
export const externalId = entityIdSchema;
export const tags = z
  .array(z.string().min(1, 'expected a non-empty tag').max(64, 'expected at most 64 characters'))
  .max(50, 'expected at most 50 tags');
/** Age in years. */
export const age = z.int().min(0).max(150);
