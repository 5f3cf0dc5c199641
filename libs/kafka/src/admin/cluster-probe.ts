import type { Admin, Kafka } from 'kafkajs';

/** Checks that the cluster answers, on a connection of its own that the probe keeps open. */
export class ClusterProbe {
  readonly #kafka: Kafka;
  #admin: Admin | undefined;

  constructor(kafka: Kafka) {
    this.#kafka = kafka;
  }

  /** Resolves when a broker has answered. @throws kafkajs' error when none does. */
  async ask(): Promise<void> {
    this.#admin ??= this.#kafka.admin({ retry: { retries: 0 } });
    const admin = this.#admin;
    try {
      await admin.connect();
      await admin.describeCluster();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const admin = this.#admin;
    this.#admin = undefined;
    // A broken connection may fail to close.
    await admin?.disconnect().catch(() => undefined);
  }
}
