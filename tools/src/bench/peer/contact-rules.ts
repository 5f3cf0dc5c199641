import type { PeerEntity } from './documents.ts';

/** Returns what was expected of a value; `undefined` if the value is right. */
type Rule = (value: unknown) => string | undefined;

const text =
  (max: number): Rule =>
  (value) =>
    typeof value === 'string' && value.length > 0 && value.length <= max
      ? undefined
      : `expected a text of 1 to ${max} characters`;

const matching =
  (pattern: RegExp, what: string): Rule =>
  (value) =>
    typeof value === 'string' && pattern.test(value) ? undefined : `expected ${what}`;

const tag = text(64);

/** The fields of a contact, checked by hand: the fast way that one would otherwise write. */
const RULES: ReadonlyMap<string, Rule> = new Map([
  ['firstName', text(200)],
  ['lastName', text(200)],
  ['email', matching(/^[^\s@]+@[^\s@]+\.[^\s@]+$/, 'an e-mail address')],
  ['phone', matching(/^\+?[0-9 ().-]{3,32}$/, 'a phone number')],
  ['title', text(200)],
  ['companyId', text(256)],
  ['ownerId', text(256)],
  [
    'status',
    matching(/^(active|inactive|bounced|unsubscribed)$/, 'active, inactive, bounced or unsubscribed'),
  ],
  [
    'score',
    (value) =>
      typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 100
        ? undefined
        : 'expected a whole number from 0 to 100',
  ],
  ['city', text(200)],
  ['country', matching(/^[A-Z]{2}$/, 'an ISO 3166 country code')],
  [
    'tags',
    (value) =>
      Array.isArray(value) && value.length <= 50 && value.every((each) => tag(each) === undefined)
        ? undefined
        : 'expected tags',
  ],
  ['notes', text(5_000)],
]);

/** Returns what is wrong with the fields of an entity; `undefined` if they are right. */
export function faultOf(entity: PeerEntity): string | undefined {
  for (const name in entity) {
    if (name === 'id') continue;
    const rule = RULES.get(name);
    if (rule === undefined) return `${name}: unknown field`;
    const fault = rule(entity[name]);
    if (fault !== undefined) return `${name}: ${fault}`;
  }
  return undefined;
}
