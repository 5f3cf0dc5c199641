import { join } from 'node:path';
import { expect } from '@jest/globals';
import { contact } from '@bulk/action-types';
import { BulkClient } from '@bulk/client';
import { entityKey, type Database } from '@bulk/mongo';
import { workspaceRoot } from '@bulk/local-stack';
import {
  checkAccounting,
  modelAction,
  modelled,
  TestInstallation,
  type GivenEntity,
  type ModelEntity,
  type ModelResult,
} from '@bulk/testing';
import { ServiceGroup, type ServiceGroupOptions } from '@bulk/tools';

export const ACCOUNT = 'acme';

/** A contact as it is in MongoDB. */
export interface StoredContact {
  readonly version: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The four services as processes, on an installation of their own. */
export class InstallationUnderTest {
  readonly installation: TestInstallation;
  readonly database: Database;
  readonly #options: ServiceGroupOptions;
  #services: ServiceGroup;

  private constructor(
    installation: TestInstallation,
    database: Database,
    services: ServiceGroup,
    options: ServiceGroupOptions,
  ) {
    this.installation = installation;
    this.database = database;
    this.#services = services;
    this.#options = options;
  }

  /** The services that were started last. */
  get services(): ServiceGroup {
    return this.#services;
  }

  /**
   * Stops all services and starts them with these settings in addition to the first ones.
   *
   * @param instances number of instances that differs from the first start.
   */
  async startServices(
    settings: Readonly<Record<string, string>>,
    instances: NonNullable<ServiceGroupOptions['instances']> = {},
  ): Promise<void> {
    await this.#services.stop();
    this.#services = await ServiceGroup.start({
      ...this.#options,
      env: { ...this.#options.env, ...settings },
      instances: { ...this.#options.instances, ...instances },
    });
  }

  /**
   * Short sessions and leases, so that work of a killed process is taken over within seconds.
   *
   * @param prepare runs before the services start.
   */
  static async start(
    instances: NonNullable<ServiceGroupOptions['instances']> = {},
    args: NonNullable<ServiceGroupOptions['args']> = {},
    extra: Readonly<Record<string, string>> = {},
    extraEnv: NonNullable<ServiceGroupOptions['extraEnv']> = {},
    prepare: (installation: TestInstallation) => Promise<void> = () => Promise.resolve(),
  ): Promise<InstallationUnderTest> {
    const installation = await TestInstallation.create('e2e', {
      KAFKA_SESSION_TIMEOUT_MS: '6000',
      KAFKA_HEARTBEAT_INTERVAL_MS: '500',
      COMMIT_INTERVAL_MS: '100',
      DISPATCH_LEASE_MS: '3000',
      // For the slowest MongoDB of the local stack, with the writes of four handlers queued in
      // front of a query.
      MONGODB_TIMEOUT_MS: '60000',
      LOG_LEVEL: 'info',
      ...extra,
    });
    const database = await installation.database();
    await prepare(installation);
    const folder = join(workspaceRoot, '.stack', 'e2e', installation.env['MONGODB_DATABASE'] ?? '');
    const options: ServiceGroupOptions = {
      env: { PATH: process.env['PATH'], ...installation.env },
      mode: 'built',
      instances,
      args,
      extraEnv,
      output: (instance) => ({ kind: 'file', path: join(folder, `${instance}.log`) }),
    };
    const system = new InstallationUnderTest(
      installation,
      database,
      await ServiceGroup.start(options),
      options,
    );
    installation.onDispose(() => system.services.stop());
    return system;
  }

  /** @param intakeUrl URL of one of several intakes. */
  client(accountId: string = ACCOUNT, intakeUrl: string = this.services.intakeUrl): BulkClient {
    return new BulkClient({ baseUrl: intakeUrl, websocketUrl: this.services.notifierUrl, accountId });
  }

  /** Stores contacts of the account with these fields. */
  async givenContacts(fields: ReadonlyMap<string, Readonly<Record<string, unknown>>>): Promise<void> {
    const at = new Date(0);
    const documents = [...fields].map(([id, own]) => ({
      _id: entityKey(ACCOUNT, id),
      accountId: ACCOUNT,
      id,
      version: 1,
      createdAt: at,
      updatedAt: at,
      ...own,
    }));
    const collection = this.database.entities(contact.collection);
    for (let i = 0; i < documents.length; i += 1_000)
      await collection.insertMany(documents.slice(i, i + 1_000));
  }

  /**
   * Reads the account's contacts whose ids start with `mark`: entity id → its own fields and its
   * version.
   *
   * It uses a range of `_id`, which stays cheap on the slowest MongoDB however many scenarios have
   * left their contacts behind.
   */
  async storedContacts(mark: string): Promise<Map<string, StoredContact>> {
    const from = entityKey(ACCOUNT, mark);
    const documents = await this.database
      .entities(contact.collection)
      .find({ _id: { $gte: from, $lt: `${from}\uffff` } })
      .toArray();
    const own = new Set(Object.keys(contact.recordSchema.shape));
    return new Map(
      documents.map((document) => [
        document.id,
        {
          version: document.version,
          fields: Object.fromEntries(Object.entries(document).filter(([field]) => own.has(field))),
        },
      ]),
    );
  }

  /**
   * Expects what the model says of an action that has ended: counts and logs agree, each position has its outcome, and
   * the contacts whose ids start with `mark` have their fields and versions, so that each was changed once.
   */
  async expectOutcome(
    actionId: string,
    mark: string,
    model: ModelResult<ModelEntity>,
    withEffects = true,
  ): Promise<void> {
    await this.expectAccounts(actionId, model, withEffects);
    await this.expectContacts(mark, model.entities);
  }

  /**
   * Expects that counts and logs of an action that has ended agree, and that each position has its outcome.
   *
   * @param withEffects whether successes must say what they did. Services of an earlier version do not.
   */
  async expectAccounts(
    actionId: string,
    { outcomes }: ModelResult<unknown>,
    withEffects = true,
  ): Promise<void> {
    const report = await checkAccounting(this.database, actionId);
    expect(report.breaches).toEqual([]);
    const logged = modelled(report.outcomes);
    const isKnown = (i: number): boolean => withEffects || logged[i]?.effect !== null;
    expect(logged).toEqual(outcomes.map((one, i) => (isKnown(i) ? one : { ...one, effect: null })));
  }

  /** Expects the account's contacts whose ids start with `mark`: all of these, and no others. */
  async expectContacts(mark: string, contacts: ReadonlyMap<string, ModelEntity>): Promise<void> {
    const stored = await this.storedContacts(mark);
    expect(stored.size).toBe(contacts.size);
    for (const [id, { version, fields }] of contacts)
      expect([id, stored.get(id)]).toEqual([id, { version, fields }]);
  }

  dispose(): Promise<void> {
    return this.installation.dispose();
  }
}

/**
 * What exists, and what is requested: duplicates, unknown ids and invalid rows among valid ones,
 * always the same.
 */
export interface Scenario {
  readonly before: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  readonly entities: readonly GivenEntity[];
}

/** @param size number of positions; about one in ten is unknown, invalid or a duplicate. */
export function scenario(size: number, mark: string): Scenario {
  const before = new Map<string, Readonly<Record<string, unknown>>>();
  const entities = Array.from({ length: size }, (_, i): GivenEntity => {
    const id = `${mark}-${i}`;
    const ref = `row ${i}`;
    if (i % 31 === 7) return { id: `${mark}-unknown-${i}`, ref, lastName: 'Nobody' };
    // A duplicate of an earlier position, far enough to be mostly in another batch.
    if (i % 17 === 5)
      return { id: `${mark}-${Math.max(0, i - 1_000 - (i % 7))}`, ref, lastName: `Again ${i}` };
    before.set(id, { lastName: `Before ${i}`, city: 'Bonn', score: 1 });
    if (i % 41 === 3) return { id, ref, score: 'high', shoeSize: 44 };
    return { id, ref, lastName: `After ${i}`, city: null, score: i % 101 };
  });
  return { before, entities };
}

/** The result of an update of contacts that existed with version 1, by the sequential model. */
export function modelOf({ before, entities }: Scenario): ModelResult<ModelEntity> {
  const stored = new Map([...before].map(([id, fields]) => [id, { version: 1, fields }]));
  return modelAction('update', contact, stored, entities);
}
