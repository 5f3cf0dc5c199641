import { readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { runCommand } from '../../console/command.ts';
import { parseDigests, pinImages } from './pin-images.ts';

const program = new Command('pin-images')
  .description(
    'writes the digests of published images (lines <image>@sha256:… from standard input) into an overlay',
  )
  .requiredOption('--registry <path>', 'registry and path before the name of each image')
  .requiredOption('--tag <version>', 'of every image')
  .option('--overlay <file>', 'to change', 'deploy/k8s/overlays/prod/platform/kustomization.yaml')
  .showHelpAfterError();

await runCommand(async () => {
  const { registry, tag, overlay } = program.parse().opts<Record<'registry' | 'tag' | 'overlay', string>>();
  const digests = parseDigests(await text(process.stdin));
  writeFileSync(overlay, pinImages(readFileSync(overlay, 'utf8'), { registry, version: tag, digests }));
  for (const [name, digest] of digests) console.log(`${registry}/${name}:${tag}@${digest}`);
});
