import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { run } from '@bulk/local-stack';
import { parse } from 'yaml';
import { z } from 'zod';
import { IMAGE_USER } from '../../src/operator/images/images.ts';
import { K8S } from './overlay.ts';

const [uid] = IMAGE_USER.split(':').map(Number);
const schema = z.object({
  spec: z.object({
    concurrencyPolicy: z.literal('Forbid'),
    jobTemplate: z.object({
      spec: z.object({
        activeDeadlineSeconds: z.number(),
        template: z.object({
          metadata: z.object({ labels: z.record(z.string(), z.string()) }),
          spec: z.object({
            securityContext: z.object({ runAsUser: z.literal(uid), fsGroup: z.literal(uid) }),
            containers: z.tuple([
              z.object({
                command: z.tuple([z.literal('bash'), z.literal('-euc')]),
                args: z.tuple([z.string()]),
                workingDir: z.string(),
                volumeMounts: z.array(z.object({ mountPath: z.string() })),
                securityContext: z.object({ readOnlyRootFilesystem: z.literal(true) }),
              }),
            ]),
          }),
        }),
      }),
    }),
  }),
});
const file = join(K8S, 'components/mongodb-backup/cron-job.yaml');
const { template } = schema.parse(parse(readFileSync(file, 'utf8'))).spec.jobTemplate.spec;
const [container] = template.spec.containers;

/** Stands for mongodump: it writes its arguments and its standard input into the archive, or fails. */
const MONGODUMP = `#!/usr/bin/env bash
for each in "$@"; do case "$each" in --archive=*) archive="\${each#--archive=}";; esac; done
{ echo "$@"; cat; } >"$archive"
exit "\${FAIL:-0}"
`;

describe('the backup of MongoDB', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bulk-backup-'));
  const programs = mkdtempSync(join(tmpdir(), 'bulk-backup-programs-'));
  writeFileSync(join(programs, 'mongodump'), MONGODUMP);
  chmodSync(join(programs, 'mongodump'), 0o755);
  writeFileSync(join(programs, 'password'), 'it is "secret"\n');
  beforeEach(() => {
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
  });
  afterAll(() => {
    for (const each of [folder, programs]) rmSync(each, { recursive: true });
  });
  const dump = (more: Readonly<Record<string, string>> = {}) =>
    run('bash', ['-euc', ...container.args], {
      cwd: folder,
      env: {
        PATH: [programs, process.env['PATH']].join(delimiter),
        MONGODB_URI: 'mongodb://one:27017/?replicaSet=rs0',
        MONGODB_TLS_CA_FILE: '/ca.crt',
        MONGODB_PASSWORD_FILE: join(programs, 'password'),
        BACKUP_USERNAME: 'backup',
        ...more,
      },
    });

  it('writes one dump with the oplog, and gives the password to no command line', async () => {
    expect(await dump()).toMatchObject({ code: 0 });
    const [name] = readdirSync(folder);
    expect(readdirSync(folder)).toEqual([expect.stringMatching(/^\d{8}T\d{6}Z\.archive\.gz$/)]);
    const [line, password] = readFileSync(join(folder, name!), 'utf8').split('\n');
    expect(line).toContain('--oplog --gzip');
    expect(line).toContain('--username=backup');
    expect(line).not.toContain('secret');
    expect(password).toBe('it is "secret"');
  });

  it('keeps the seven newest dumps', async () => {
    for (let day = 1; day <= 9; day += 1)
      writeFileSync(join(folder, `2026010${day}T021700Z.archive.gz`), String(day));
    expect(await dump()).toMatchObject({ code: 0 });
    const names = readdirSync(folder).sort();
    expect(names).toHaveLength(7);
    expect(names[0]).toBe('20260104T021700Z.archive.gz');
  });

  it('fails and removes nothing complete if mongodump fails, and the next one removes the rest', async () => {
    for (let day = 1; day <= 8; day += 1)
      writeFileSync(join(folder, `2026010${day}T021700Z.archive.gz`), String(day));
    expect(await dump({ FAIL: '1' })).toMatchObject({ code: 1 });
    expect(readdirSync(folder).filter((name) => name.endsWith('.archive.gz'))).toHaveLength(8);
    expect(await dump()).toMatchObject({ code: 0 });
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('runs as every pod, on its own volume, and reaches MongoDB', () => {
    expect(container.volumeMounts.map(({ mountPath }) => mountPath)).toContain(container.workingDir);
    expect(template.metadata.labels).toMatchObject({
      'app.kubernetes.io/part-of': 'bulk-action-platform',
    });
  });
});
