import fc from 'fast-check';

/** One change of a JSON value: its place, counted over all nodes, and its kind. */
interface JsonChange {
  readonly at: number;
  readonly change: 'replace' | 'drop' | 'add' | 'nest' | 'repeat';
  readonly value: unknown;
  readonly key: string;
}

const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  '',
  ' ',
  0,
  -0,
  -1,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER,
  [],
  {},
  [[]],
  [null],
  'x'.repeat(5_000),
  '\ud800',
  '\u0000',
  '2026-02-30T25:00:00Z',
  'http://127.0.0.1/',
  'javascript:1',
];
const ODD_KEYS = [
  '',
  '__proto__',
  'constructor',
  'toString',
  '$set',
  'a.b',
  'id',
  'ref',
  '\ud800',
  '_id',
  'version',
];
/** More levels than an entity may have. */
const DEEP = 200;
/** Small, because changes multiply. */
const REPEATED = 8;

const change: fc.Arbitrary<JsonChange> = fc.record({
  at: fc.nat(200),
  change: fc.constantFrom('replace', 'replace', 'drop', 'add', 'nest', 'repeat'),
  value: fc.oneof(fc.constantFrom(...ODD_VALUES), fc.jsonValue({ maxDepth: 3 })),
  key: fc.constantFrom(...ODD_KEYS),
});

/** Generates one to three changes of a JSON value, as text. */
export function changedJson(value: unknown): fc.Arbitrary<string> {
  return fc
    .array(change, { minLength: 1, maxLength: 3 })
    .map((changes) => JSON.stringify(changes.reduce(applied, value)));
}

/**
 * Applies a change to the node with this number, counted from the root. After the last node the
 * count starts again.
 */
function applied(root: unknown, { at, ...how }: JsonChange): unknown {
  let left = at % countOf(root);
  const walk = (node: unknown): unknown => {
    if (left === 0) {
      left -= 1;
      return changed(node, how);
    }
    left -= 1;
    if (Array.isArray(node)) return node.map(walk);
    if (!isObject(node)) return node;
    return ownObject(Object.entries(node).map(([key, child]) => [key, walk(child)]));
  };
  return walk(root);
}

function changed(node: unknown, { change: how, value, key }: Omit<JsonChange, 'at'>): unknown {
  switch (how) {
    case 'replace':
      return value;
    case 'drop':
      return Array.isArray(node)
        ? node.slice(1)
        : isObject(node)
          ? ownObject(Object.entries(node).slice(1))
          : value;
    case 'add':
      return Array.isArray(node)
        ? [...(node as unknown[]), value]
        : ownObject([...entriesOf(node), [key, value]]);
    case 'nest': {
      let nested = node;
      for (let depth = 0; depth < DEEP; depth += 1) nested = [nested];
      return nested;
    }
    case 'repeat':
      return Array.isArray(node)
        ? Array.from({ length: REPEATED }, () => node as unknown[]).flat()
        : [node, node];
  }
}

function entriesOf(node: unknown): [string, unknown][] {
  return isObject(node) ? Object.entries(node) : [];
}

/** Builds an object that keeps a key `__proto__`. */
function ownObject(entries: readonly (readonly [string, unknown])[]): object {
  return Object.fromEntries(entries);
}

function countOf(node: unknown): number {
  const children: unknown[] = Array.isArray(node) ? node : isObject(node) ? Object.values(node) : [];
  return children.reduce<number>((sum, child) => sum + countOf(child), 1);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
