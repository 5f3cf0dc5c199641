import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { actionViewSchema } from '@bulk/contracts';
import { accountWebhookSecret } from '@bulk/webhooks';
import { IntakeHarness, type Answer } from './harness.ts';

const MASTER_SECRET = 'a master secret of this installation';
const ACTION = { actionType: 'update', entities: [{ id: 'c1', lastName: 'Name' }] };

describe('webhooks at intake', () => {
  let harness: IntakeHarness;

  beforeAll(async () => {
    harness = await IntakeHarness.create();
    await harness.start({ WEBHOOK_SECRET: MASTER_SECRET, WEBHOOK_ALLOWED_NETWORKS: '10.1.0.0/16' });
  });
  afterAll(() => harness.installation.dispose());

  function create(callbackUrl: unknown): Promise<Answer> {
    return harness.post({ ...ACTION, callbackUrl });
  }

  it.each(['https://example.com/hook?token=t', 'https://10.1.2.3/'])('accept %s and show it', async (url) => {
    const { status, body } = await create(url);
    expect(status).toBe(202);
    const action = actionViewSchema.strict().parse(body.data);
    expect(action).toMatchObject({
      callbackUrl: url,
      callback: { state: 'waiting', attempts: 0, lastAttempt: null, lastError: null },
    });
    const { callback } = (await harness.database.actions.findOne({ _id: action.actionId }))!;
    expect(callback).toEqual({
      url,
      state: 'waiting',
      attempts: 0,
      dueAt: expect.any(Date),
      owner: null,
      lastAttemptAt: null,
      lastError: null,
    });
  });

  it('show how a delivery went', async () => {
    const { body } = await create('https://example.com/');
    const { actionId } = actionViewSchema.parse(body.data);
    const tried = new Date();
    await harness.database.actions.updateOne(
      { _id: actionId },
      {
        $set: {
          'callback.state': 'given-up',
          'callback.attempts': 12,
          'callback.lastAttemptAt': tried,
          'callback.lastError': 'HTTP 500',
        },
      },
    );
    const answer = await harness.get(`/bulk-actions/${actionId}`);
    expect(answer.body.data).toMatchObject({
      callbackUrl: 'https://example.com/',
      callback: { state: 'given-up', attempts: 12, lastAttempt: tried.toISOString(), lastError: 'HTTP 500' },
    });
  });

  it('show null when there is no delivery', async () => {
    const { body } = await harness.post(ACTION);
    expect(body.data).toMatchObject({ callbackUrl: null, callback: null });
  });

  it.each(['example.com', 'ftp://example.com/', 'https://u:p@example.com/', 'https://example.com/#x', 7])(
    'refuse the invalid URL %p with 400',
    async (url) => {
      const { status, body } = await create(url);
      expect(status).toBe(400);
      expect(body.error).toMatchObject({ code: 'INVALID_REQUEST', details: [{ field: 'callbackUrl' }] });
    },
  );

  it('refuse what can never be delivered and leave nothing behind', async () => {
    const before = await harness.traces();
    const hosts = [
      '127.0.0.1',
      '0x7f.1',
      '017700000001',
      '[::ffff:a9fe:a9fe]',
      '[fd00::1]',
      'localhost',
      '10.2.0.1',
    ];
    for (const host of hosts) {
      const { status, body } = await create(`https://${host}/hook`);
      expect({ host, status, error: body.error }).toEqual({
        host,
        status: 422,
        error: {
          code: 'CALLBACK_URL_FORBIDDEN',
          message: 'the callback URL is not one to call',
          details: [{ field: 'callbackUrl', message: 'expected a host with a public address' }],
        },
      });
    }
    const { status, body } = await create('http://example.com/');
    expect(status).toBe(422);
    expect(body.error).toMatchObject({
      code: 'CALLBACK_URL_FORBIDDEN',
      details: [{ field: 'callbackUrl', message: 'expected an https URL' }],
    });
    expect(await harness.traces()).toEqual(before);
  });

  it('show each account its own secret', async () => {
    const acme = await harness.get('/webhook-secret');
    const other = await harness.get('/webhook-secret?accountId=other', {});
    expect(acme.status).toBe(200);
    expect(acme.headers.get('cache-control')).toBe('no-store');
    expect(acme.body).toEqual({
      success: true,
      data: { secret: accountWebhookSecret(MASTER_SECRET, 'acme') },
    });
    expect(other.body.data).toEqual({ secret: accountWebhookSecret(MASTER_SECRET, 'other') });
    expect(acme.body.data).not.toEqual(other.body.data);
    expect((await harness.get('/webhook-secret', {})).body.error).toMatchObject({ code: 'ACCOUNT_REQUIRED' });
  });
});

describe('an intake without a webhook secret', () => {
  let harness: IntakeHarness;

  beforeAll(async () => {
    harness = await IntakeHarness.create();
    await harness.start();
  });
  afterAll(() => harness.installation.dispose());

  it('refuses a callback URL', async () => {
    const { status, body } = await harness.post({ ...ACTION, callbackUrl: 'https://example.com/' });
    expect(status).toBe(422);
    expect(body.error).toMatchObject({ code: 'WEBHOOKS_DISABLED', details: [{ field: 'callbackUrl' }] });
    expect(await harness.database.actions.countDocuments({})).toBe(0);
  });

  it('shows no secret', async () => {
    const { status, body } = await harness.get('/webhook-secret');
    expect(status).toBe(404);
    expect(body.error).toMatchObject({ code: 'WEBHOOKS_DISABLED' });
  });
});
