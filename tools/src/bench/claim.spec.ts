import { describe, expect, it } from '@jest/globals';
import { claimStack } from './claim.ts';

describe('claim of a stack for a benchmark', () => {
  it('refuses a second benchmark while the first one holds the stack, and admits it afterwards', async () => {
    const name = `claim-${process.pid}`;
    const release = await claimStack(name);
    await expect(claimStack(name)).rejects.toMatchObject({
      code: 'STACK_IN_USE',
      message: expect.stringContaining('--stack'),
    });
    release();
    const second = await claimStack(name);
    second();
  });
});
