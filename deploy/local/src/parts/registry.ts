import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { provideJava } from '../provision/java.ts';
import { provideRegistry, registryVersion } from '../provision/maven.ts';
import type { Part } from './part.ts';

/** Apicurio Registry, which speaks the protocol of Confluent's. */
export const registry: Part = {
  name: 'registry',
  usualPort: 8081,
  readyMs: 60_000,
  stopMs: 5_000,
  urlFor: (port) => `http://127.0.0.1:${port}/apis/ccompat/v7`,

  async provide(context) {
    const java = await provideJava(context);
    const jar = await provideRegistry(context);
    return {
      engine: `Apicurio Registry ${registryVersion}`,
      prepare: ({ paths, port }) => {
        const folder = paths.data('registry');
        mkdirSync(folder, { recursive: true });
        return Promise.resolve({
          command: java,
          // It serves few requests, so a quick start and a small size matter more than speed once it is warm.
          args: ['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-jar', jar],
          cwd: paths.root,
          env: {
            QUARKUS_HTTP_HOST: '127.0.0.1',
            QUARKUS_HTTP_PORT: String(port),
            // The default is a database in memory. Messages that stay in Kafka contain the ids of their schemas, so
            // these must stay as well: a file that is written at once survives a kill.
            REGISTRY_DATASOURCE_URL: `jdbc:h2:file:${join(folder, 'registry')};WRITE_DELAY=0`,
          },
        });
      },
    };
  },

  async probe(url) {
    const response = await fetch(`${url.replace(/\/+$/, '')}/subjects`, {
      signal: AbortSignal.timeout(5_000),
    });
    const body: unknown = await response.json().catch(() => undefined);
    if (!response.ok || !Array.isArray(body)) throw new Error(`GET /subjects answered ${response.status}`);
  },
};
