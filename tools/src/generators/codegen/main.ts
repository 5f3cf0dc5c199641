import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { generateMessages, MESSAGES_FILE } from './messages.ts';

const root = resolve(import.meta.dirname, '../../../..');
writeFileSync(join(root, MESSAGES_FILE), await generateMessages(root));
console.log(`wrote ${MESSAGES_FILE}`);
