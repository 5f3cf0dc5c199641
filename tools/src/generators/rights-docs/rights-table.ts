import { KAFKA_USERS, kafkaRights, type KafkaRight } from '@bulk/contracts';
import { withGeneratedSection } from '../config-docs/generated-section.ts';

/** The reference of the rights, relative to the workspace root. */
export const RIGHTS_FILE = 'docs/operations/rights.md';

/** The prefix of the names in the reference: the default of TOPIC_PREFIX. */
const PREFIX = 'bulk.';

/**
 * Generates the table of Kafka rights between its markers from the declared rights.
 *
 * A test compares the text with the file in the repository.
 *
 * @throws Error if the markers are missing.
 */
export function withRightsTable(text: string, workspaceRoot: string): Promise<string> {
  const rows = KAFKA_USERS.flatMap((user) =>
    byOperations(kafkaRights(user, PREFIX)).map(({ resource, operations, names }, i) => {
      const cells = [i === 0 ? user : '', operations, resource, names.join(', ')];
      return `| ${cells.join(' | ')} |`;
    }),
  );
  const table = ['| user | operations | on | named |', '|---|---|---|---|', ...rows].join('\n');
  return withGeneratedSection({ path: RIGHTS_FILE, text }, 'rights', table, workspaceRoot);
}

interface Row {
  readonly resource: string;
  readonly operations: string;
  readonly names: string[];
}

/** Puts resources with the same operations into one row. */
function byOperations(rights: readonly KafkaRight[]): Row[] {
  const rows = new Map<string, Row>();
  for (const { resource, name, pattern, operations } of rights) {
    const key = `${resource} ${operations.join()}`;
    const row = rows.get(key) ?? { resource: `${resource}s`, operations: operations.join(', '), names: [] };
    row.names.push(pattern === 'prefixed' ? `\`${name}\` and every name that starts so` : `\`${name}\``);
    rows.set(key, row);
  }
  return [...rows.values()];
}
