import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Manifest } from './manifest.ts';

const node = z.record(z.string(), z.unknown());
type Node = z.infer<typeof node>;

const definitionSchema = z.object({
  kind: z.literal('CustomResourceDefinition'),
  spec: z.object({
    group: z.string(),
    names: z.object({ kind: z.string() }),
    versions: z.array(z.object({ name: z.string(), schema: z.object({ openAPIV3Schema: node }) })),
  }),
});

/** The schemas of custom resources, as their operators publish them. */
export class CustomResources {
  readonly #schemas = new Map<string, z.ZodType>();

  /** Reads every definition (YAML) in a folder. */
  constructor(folder: string) {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
      const { spec } = definitionSchema.parse(parse(readFileSync(join(folder, file), 'utf8')));
      for (const { name, schema } of spec.versions) {
        this.#schemas.set(
          `${spec.group}/${name} ${spec.names.kind}`,
          z.fromJSONSchema(closed(schema.openAPIV3Schema)),
        );
      }
    }
  }

  /** Returns whether there is a schema of this kind. */
  has({ apiVersion, kind }: Manifest): boolean {
    return this.#schemas.has(`${apiVersion} ${kind}`);
  }

  /**
   * Returns the faults of an object, each with its path. Unknown fields are faults. Rules in CEL
   * (`x-kubernetes-validations`) are not checked.
   */
  faultsOf(manifest: Manifest): string[] {
    const schema = this.#schemas.get(`${manifest.apiVersion} ${manifest.kind}`);
    if (schema === undefined) return [`no schema of ${manifest.apiVersion} ${manifest.kind}`];
    const { error } = schema.safeParse(manifest);
    return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
  }
}

/** Refuses fields that the schema does not name, as `kubectl --validate=strict` does. */
function closed(schema: Node): Node {
  const { properties, items, additionalProperties, pattern, ...rest } = schema;
  if (schema['x-kubernetes-int-or-string'] === true) {
    return { anyOf: [{ type: 'integer' }, { type: 'string' }] };
  }
  const result: Node = { ...rest };
  if (typeof pattern === 'string' && isPattern(pattern)) result['pattern'] = pattern;
  if (items !== undefined) result['items'] = closed(node.parse(items));
  if (properties !== undefined) {
    result['properties'] = Object.fromEntries(
      Object.entries(node.parse(properties)).map(([name, value]) => [name, closedProperty(name, value)]),
    );
  }
  if (typeof additionalProperties === 'object') {
    result['additionalProperties'] = closed(node.parse(additionalProperties));
  } else if (properties !== undefined && schema['x-kubernetes-preserve-unknown-fields'] !== true) {
    result['additionalProperties'] = false;
  }
  return result;
}

/** Definitions leave metadata to Kubernetes. */
function closedProperty(name: string, value: unknown): Node {
  const property = node.parse(value);
  return name === 'metadata' && property['properties'] === undefined ? { type: 'object' } : closed(property);
}

/** Returns whether JavaScript knows the pattern, which is one of Go. */
function isPattern(pattern: string): boolean {
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false;
  }
}
