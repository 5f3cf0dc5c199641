import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { workspaceRoot } from '@bulk/local-stack';
import { kafkaTopicsText, TOPICS_FILE } from './kafka-topics.ts';

describe('the Kubernetes manifest of the topics', () => {
  it('equals the output for the table of topics (else: npm run codegen)', () => {
    expect(readFileSync(join(workspaceRoot, TOPICS_FILE), 'utf8')).toBe(kafkaTopicsText(workspaceRoot));
  });
});
