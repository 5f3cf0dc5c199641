import { z } from 'zod';

/** Kinds of field that several entity types share. */
export const shortText = z
  .string()
  .min(1, 'expected a non-empty string')
  .max(200, 'expected at most 200 characters');
export const longText = z.string().max(5_000, 'expected at most 5000 characters');
export const email = z.email('expected an e-mail address').max(254, 'expected at most 254 characters');
export const phone = z.string().regex(/^\+?[0-9 ().-]{3,32}$/, 'expected a phone number');
export const country = z
  .string()
  .regex(/^[A-Z]{2}$/, 'expected a two-letter country code (ISO 3166-1), e.g. DE');
export const reference = z
  .string()
  .min(1, 'expected a non-empty id')
  .max(256, 'expected at most 256 characters');
export const tags = z
  .array(z.string().min(1, 'expected a non-empty tag').max(64, 'expected at most 64 characters'))
  .max(50, 'expected at most 50 tags');
