import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { kafkaTopicsText, TOPICS_FILE } from './kafka-topics.ts';
import { kafkaUsersText, USERS_FILE } from './kafka-users.ts';
import { PROMETHEUS_RULE_FILE, prometheusRuleText } from './prometheus-rule.ts';

const root = resolve(import.meta.dirname, '../../../..');
const files = {
  [TOPICS_FILE]: kafkaTopicsText(root),
  [USERS_FILE]: kafkaUsersText(),
  [PROMETHEUS_RULE_FILE]: prometheusRuleText(root),
};
for (const [file, text] of Object.entries(files)) {
  writeFileSync(join(root, file), text);
  console.log(`wrote ${file}`);
}
