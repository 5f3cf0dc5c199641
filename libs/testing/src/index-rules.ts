type Condition = Readonly<Record<string, unknown>>;

/** An index as `listIndexes` describes it. */
export interface IndexFacts {
  readonly key: Readonly<Record<string, unknown>>;
  readonly partialFilterExpression?: Condition;
}

/** Operators that limit a read to a part of an index. */
const BOUNDING = new Set(['$eq', '$in', '$gt', '$gte', '$lt', '$lte']);

/**
 * Returns whether one of the indexes can answer a filter without being read completely, by MongoDB's rules: a condition
 * on the first field of the index bounds the read, and the filter excludes what a partial index leaves out.
 */
export function isIndexed(filter: Condition, indexes: readonly IndexFacts[]): boolean {
  const conditions = conditionsOf(filter);
  return indexes.some(({ key, partialFilterExpression = {} }) => {
    const [first = ''] = Object.keys(key);
    return (
      (conditions.get(first) ?? []).some(isBound) &&
      Object.entries(partialFilterExpression).every(([field, expected]) =>
        (conditions.get(field) ?? []).some((condition) => implies(condition, expected)),
      )
    );
  });
}

/** Returns field → the conditions that apply to it together. Alternatives (`$or`) bound nothing. */
function conditionsOf(filter: Condition): Map<string, unknown[]> {
  const found = new Map<string, unknown[]>();
  const add = (part: Condition): void => {
    for (const [field, condition] of Object.entries(part)) {
      if (field === '$and') (condition as Condition[]).forEach(add);
      else if (!field.startsWith('$')) found.set(field, [...(found.get(field) ?? []), condition]);
    }
  };
  add(filter);
  return found;
}

function isBound(condition: unknown): boolean {
  const operators = operatorsOf(condition);
  return operators === undefined || operators.some((operator) => BOUNDING.has(operator));
}

/** Returns whether everything that a condition matches is in a partial index that expects `expected` of the field. */
function implies(condition: unknown, expected: unknown): boolean {
  if (operatorsOf(expected)?.[0] === '$exists') return condition !== null && isBound(condition);
  return condition === expected;
}

/** Returns the operators of a condition, or undefined if the condition is a value to be equal to. */
function operatorsOf(condition: unknown): string[] | undefined {
  if (typeof condition !== 'object' || condition === null) return undefined;
  const keys = Object.keys(condition);
  return keys.length > 0 && keys.every((key) => key.startsWith('$')) ? keys : undefined;
}
