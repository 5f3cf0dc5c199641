import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { kafkaTopicsText, TOPICS_FILE } from './kafka-topics.ts';

const root = resolve(import.meta.dirname, '../../../..');
writeFileSync(join(root, TOPICS_FILE), kafkaTopicsText(root));
console.log(`wrote ${TOPICS_FILE}`);
