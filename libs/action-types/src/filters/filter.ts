/** A value that a field is compared with. An instant is a Date. */
export type FilterValue = string | number | boolean | Date;

/** The operators that compare a field with one value in its order. */
export const ORDER_OPERATORS = ['lt', 'lte', 'gt', 'gte'] as const;
export type OrderOperator = (typeof ORDER_OPERATORS)[number];

/** The operators of a filter. A plain value stands for `eq`. */
export const FILTER_OPERATORS = [
  'eq',
  'ne',
  'in',
  ...ORDER_OPERATORS,
  'exists',
  'contains',
  'startsWith',
] as const;
export type FilterOperator = (typeof FILTER_OPERATORS)[number];

/**
 * A condition on one field of a record. Null means an absent field: `eq` null holds if the field is absent, and `ne`
 * holds for an absent field unless its value is null. The other operators never hold for an absent field.
 */
export type Condition =
  | { readonly field: string; readonly operator: 'eq' | 'ne'; readonly value: FilterValue | null }
  | { readonly field: string; readonly operator: 'in'; readonly values: readonly (FilterValue | null)[] }
  | { readonly field: string; readonly operator: OrderOperator; readonly value: FilterValue }
  | { readonly field: string; readonly operator: 'exists'; readonly value: boolean }
  | { readonly field: string; readonly operator: 'contains'; readonly value: FilterValue }
  | { readonly field: string; readonly operator: 'startsWith'; readonly value: string };

/** A conjunction of conditions, independent of any database. An empty one matches every record. */
export type EntityFilter = readonly Condition[];
