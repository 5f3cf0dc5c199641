import type { PartName } from '../state.ts';
import { kafka } from './kafka.ts';
import { mongo } from './mongo.ts';
import type { Part } from './part.ts';
import { redis } from './redis.ts';
import { registry } from './registry.ts';

export const parts: Readonly<Record<PartName, Part>> = { kafka, registry, mongo, redis };
