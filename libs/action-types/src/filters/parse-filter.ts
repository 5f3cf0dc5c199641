import { inexactNumbers, isDeeperThan, MAX_DEPTH, protoKeys, type FieldIssue } from '@bulk/domain';
import { z } from 'zod';
import type { EntityType, Validated } from '../entity-type.ts';
import { fieldIssues, pathText } from '../issues.ts';
import { filterFieldOf, operatorList, type FilterField } from './filter-fields.ts';
import { FILTER_OPERATORS, type Condition, type EntityFilter, type FilterOperator } from './filter.ts';

/** Maximum number of conditions of a filter. */
export const MAX_CONDITIONS = 20;
/** Maximum number of values of all conditions of a filter. */
export const MAX_FILTER_VALUES = 1_000;
/** Maximum size of the JSON of a filter, in bytes. An action keeps its filter, and lists of actions show it. */
export const MAX_FILTER_BYTES = 65_536;

type Path = readonly PropertyKey[];
type Parsed = { readonly condition: Condition } | { readonly issues: readonly FieldIssue[] };

/**
 * Parses a filter as a caller sends it: `{ "ownerId": "user-1", "score": { "gte": 50 } }`.
 *
 * @param sent any value that was parsed from JSON.
 * @param at the name of the filter in faults.
 * @returns the conditions, or a fault for each wrong field, operator or value, such as `filter.status.in[1]`.
 */
export function parseFilter(entityType: EntityType, sent: unknown, at = 'filter'): Validated<EntityFilter> {
  if (!isObject(sent)) return refused([{ field: at, message: 'expected an object of conditions' }]);
  // A filter that is nested too deeply has no JSON.
  if (isDeeperThan(sent, MAX_DEPTH) || Buffer.byteLength(JSON.stringify(sent)) > MAX_FILTER_BYTES) {
    return refused([{ field: at, message: `expected at most ${MAX_FILTER_BYTES} bytes of JSON` }]);
  }
  const unseen = [...protoKeys(sent, at), ...inexactNumbers(sent, at)];
  if (unseen.length > 0) return refused(unseen);
  // A filter with very many fields is not parsed to its end.
  const fields = Object.entries(sent).slice(0, MAX_CONDITIONS + 1);
  const parsed = fields.flatMap(([name, condition]) => parseField(entityType, name, condition, [at, name]));
  if (parsed.length > MAX_CONDITIONS) {
    return refused([{ field: at, message: `expected at most ${MAX_CONDITIONS} conditions` }]);
  }
  const issues = parsed.flatMap((one) => ('issues' in one ? one.issues : []));
  if (issues.length > 0) return refused(issues);
  const conditions = parsed.flatMap((one) => ('condition' in one ? [one.condition] : []));
  const values = conditions.reduce((sum, one) => sum + ('values' in one ? one.values.length : 1), 0);
  return values > MAX_FILTER_VALUES
    ? refused([{ field: at, message: `expected at most ${MAX_FILTER_VALUES} values, found ${values}` }])
    : { ok: true, value: conditions };
}

function parseField(entityType: EntityType, name: string, sent: unknown, path: Path): Parsed[] {
  const field = filterFieldOf(entityType, name);
  if (field === undefined) return [fault(path, 'unknown field')];
  if (Array.isArray(sent))
    return [fault(path, 'expected a value or operators; a list of values is {"in": […]}')];
  if (!isObject(sent)) return [parseOperator(name, field, 'eq', sent, path)];
  const operators = Object.entries(sent).slice(0, FILTER_OPERATORS.length + 1);
  if (operators.length === 0) {
    return [fault(path, `expected at least one of the operators ${operatorList(field.operators)}`)];
  }
  return operators.map(([operator, value]) =>
    isOperator(operator)
      ? parseOperator(name, field, operator, value, [...path, operator])
      : fault([...path, operator], `unknown operator; expected one of ${operatorList(field.operators)}`),
  );
}

function parseOperator(
  name: string,
  field: FilterField,
  operator: FilterOperator,
  value: unknown,
  path: Path,
): Parsed {
  if (!field.operators.includes(operator)) {
    const expected = `expected one of the operators ${operatorList(field.operators)}`;
    return fault(path, `the field does not take ${operator}; ${expected}`);
  }
  switch (operator) {
    case 'in':
      return parseIn(name, field, value, path);
    case 'eq':
    case 'ne':
      if (value === null) return { condition: { field: name, operator, value: null } };
      return parseValue(field.exact, value, path, (parsed) => ({ field: name, operator, value: parsed }));
    case 'contains':
      return parseValue(field.exact, value, path, (parsed) => ({ field: name, operator, value: parsed }));
    case 'exists':
      return typeof value === 'boolean'
        ? { condition: { field: name, operator, value } }
        : fault(path, 'expected true or false');
    case 'startsWith':
      return value === ''
        ? fault(path, 'expected at least one character')
        : parseValue(field.bound, value, path, (parsed) => ({
            field: name,
            operator,
            value: String(parsed),
          }));
    default:
      return parseValue(field.bound, value, path, (parsed) => ({ field: name, operator, value: parsed }));
  }
}

function parseIn(name: string, field: FilterField, sent: unknown, path: Path): Parsed {
  if (!Array.isArray(sent)) return fault(path, 'expected a list of values');
  if (sent.length === 0) return fault(path, 'expected at least one value');
  if (sent.length > MAX_FILTER_VALUES) {
    return fault(path, `expected at most ${MAX_FILTER_VALUES} values, found ${sent.length}`);
  }
  const issues: FieldIssue[] = [];
  const values = sent.map((value: unknown, i) => {
    if (value === null) return null;
    const parsed = parsedValue(field.exact, value, [...path, i]);
    if (parsed.ok) return parsed.value;
    issues.push(...parsed.issues);
    return null;
  });
  return issues.length > 0 ? { issues } : { condition: { field: name, operator: 'in', values } };
}

function parseValue(
  schema: z.core.$ZodType,
  value: unknown,
  path: Path,
  toCondition: (value: string | number | boolean | Date) => Condition,
): Parsed {
  const parsed = parsedValue(schema, value, path);
  return parsed.ok ? { condition: toCondition(parsed.value) } : { issues: parsed.issues };
}

/** Parses one value. Whatever the type's schema is, no object and no list passes. */
function parsedValue(
  schema: z.core.$ZodType,
  value: unknown,
  path: Path,
): Validated<string | number | boolean | Date> {
  const parsed = z.safeParse(schema, value);
  if (!parsed.success) return refused(fieldIssues(parsed.error, path));
  const { data } = parsed;
  return typeof data === 'string' ||
    typeof data === 'number' ||
    typeof data === 'boolean' ||
    data instanceof Date
    ? { ok: true, value: data }
    : refused([{ field: pathText(path), message: 'expected a text, a number or a boolean' }]);
}

function isOperator(name: string): name is FilterOperator {
  return FILTER_OPERATORS.some((operator) => operator === name);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fault(path: Path, message: string): Parsed {
  return { issues: [{ field: pathText(path), message }] };
}

function refused(issues: FieldIssue[]): { readonly ok: false; readonly issues: FieldIssue[] } {
  return { ok: false, issues };
}
