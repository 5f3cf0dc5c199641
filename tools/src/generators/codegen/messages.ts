import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { avroToZod, type AvroType } from './avro-to-zod.ts';

/** Where the generated source belongs, relative to the workspace root. */
export const MESSAGES_FILE = 'libs/contracts/src/generated/messages.ts';

/**
 * Generates the TypeScript of every message from `schemas/*.avsc`.
 *
 * Each message has the Avro schema itself, a zod schema and a type. Avro is the one source. A test
 * generates this text and compares it with the file in the repository.
 */
export async function generateMessages(workspaceRoot: string): Promise<string> {
  const folder = join(workspaceRoot, 'schemas');
  const declared = new Set<string>();
  const parts = readdirSync(folder)
    .filter((file) => file.endsWith('.avsc'))
    .sort()
    .map((file) => {
      const text = readFileSync(join(folder, file), 'utf8');
      const schema = JSON.parse(text) as AvroType & { name: string };
      const constant = `${schema.name.charAt(0).toLowerCase()}${schema.name.slice(1)}Avro`;
      return `${avroToZod(schema, declared)}\n/** Avro schema of ${schema.name}, from schemas/${file}. */\nexport const ${constant} = ${text.trim()};\n`;
    });
  const source = `// Generated from schemas/*.avsc by \`npm run codegen\`. Do not edit.\nimport { z } from 'zod';\n\n${parts.join('\n')}`;
  const options = await resolveConfig(join(workspaceRoot, MESSAGES_FILE));
  return format(source, { ...options, parser: 'typescript' });
}
